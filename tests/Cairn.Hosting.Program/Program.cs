using Cairn.Hosting.Program;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

// program begins
HostApplicationBuilder builder = Host.CreateApplicationBuilder(args);
builder.Services.AddCairn(builder.Configuration.GetSection("Checkpoints"));
builder.Services.AddCairnTraining<Regression>();
builder.Services.AddHealthChecks().AddCairn(health => health.MaxAgeOfLastCopy = TimeSpan.FromMinutes(30));
builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromMinutes(5));
builder.Build().Run();
// program ends
