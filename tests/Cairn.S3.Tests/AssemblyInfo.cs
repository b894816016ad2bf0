[assembly: AssemblyFixture(typeof(Cairn.S3.Tests.ObjectGateway))]
