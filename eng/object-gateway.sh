#!/usr/bin/env bash
# An object store on one machine, for tests and trials: Ceph's object gateway, which speaks S3, over one monitor and one OSD, on the loopback address.
#   eng/object-gateway.sh start FOLDER [PORT]   starts what does not run yet, and prints what to export; the keys stand in FOLDER/keys
#   eng/object-gateway.sh bucket FOLDER NAME    makes a bucket
#   eng/object-gateway.sh restart FOLDER        ends the gateway in order and starts it anew; what holds the objects runs on
#   eng/object-gateway.sh kill FOLDER           ends the gateway as a crash does; start brings it back with all objects
#   eng/object-gateway.sh stop FOLDER           ends its processes
#   eng/object-gateway.sh status FOLDER         says which of them run; 0 when all do
# Everything is kept in FOLDER. Needs the packages that eng/install-test-needs.sh installs, and no rights. Several may stand side by side.
# The OSD is a memstore: it starts at once, and no figure measured here is the disk's. Its objects outlive a stop, and no kill of its own.
set -euo pipefail
umask 077
action=${1:?start, bucket, restart, kill, stop or status} dir=$(realpath -m "${2:?a folder}") port=${3:-} name=${3:-}
daemons=(mon osd gateway)
conf=$dir/ceph.conf

# A number that a dead process left may be another's by now.
alive() { local pid; pid=$(cat "$dir/$1.pid" 2>/dev/null) && [ -n "$pid" ] && grep -qF -- "$conf" "/proc/$pid/cmdline" 2>/dev/null; }

await() {
    local what=$1; shift
    for _ in $(seq 1200); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.1
    done
    echo "$what within 2 minutes. See $dir/log." >&2
    exit 1
}

answers() { exec 3<>"/dev/tcp/127.0.0.1/$1" && exec 3>&-; }

free_port() {
    local tried
    for _ in $(seq 100); do
        tried=$((20000 + RANDOM % 10000))
        (answers $tried) 2>/dev/null || { echo $tried; return; }
    done
    echo "No free port was found." >&2
    exit 1
}

word() { head -c 512 /dev/urandom | LC_ALL=C tr -dc "$1" | head -c "$2"; }

configure() {
    mkdir -p "$dir"/{log,mon,osd}
    local fsid mon
    fsid=$(cat /proc/sys/kernel/random/uuid) mon=$(free_port)
    [ -n "$port" ] || port=$(free_port)
    cat > "$conf" <<CONF
[global]
fsid = $fsid
mon host = v2:127.0.0.1:$mon
pid file = $dir/\$type.pid
log file = $dir/log/\$name.log
crash dir = $dir/log
run dir = $dir
admin socket =
keyring = $dir/keyring
auth allow insecure global id reclaim = false
mon allow pool size one = true
mon warn on pool no redundancy = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
[mon]
mon data = $dir/mon
mon data avail warn = 1
mon data avail crit = 1
[osd]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
osd data = $dir/osd
osd objectstore = memstore
memstore device bytes = 64G
# Else it ends without writing its objects down.
osd fast shutdown = false
# For so long radosgw-admin waits for a gateway that was killed.
osd client watch timeout = 10
[client.gateway]
pid file = $dir/gateway.pid
rgw data = $dir
rgw frontends = beast endpoint=127.0.0.1:$port tcp_nodelay=1
rgw thread pool size = 64
[client]
rgw rados pool pg num min = 4
# What is removed leaves the memory soon.
rgw gc obj min wait = 5
rgw gc processor period = 5
rgw gc processor max time = 5
CONF
    printf 'AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\nAWS_ENDPOINT_URL=http://127.0.0.1:%s\n' "$(word A-Z0-9 20)" "$(word A-Za-z0-9 40)" "$port"  \
        > "$dir/keys"
    ceph-authtool --create-keyring "$dir/keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null
    ceph-authtool "$dir/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' >/dev/null
    ceph-authtool "$dir/keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *' >/dev/null
    ceph-authtool "$dir/keyring" --gen-key -n client.gateway --cap mon 'allow rw' --cap osd 'allow rwx' >/dev/null
    monmaptool --create --clobber --fsid "$fsid" --addv a "[v2:127.0.0.1:$mon]" "$dir/monmap" >/dev/null
    ceph-mon -c "$conf" -i a --mkfs --monmap "$dir/monmap" --keyring "$dir/keyring"
    touch "$dir/configured"
}

start() {
    local missing=()
    for need in ceph-mon ceph-osd radosgw radosgw-admin; do
        command -v $need >/dev/null || missing+=($need)
    done
    if [ ${#missing[@]} -ne 0 ]; then
        echo "${missing[*]} not installed: apt-get install --no-install-recommends ceph-mon ceph-osd radosgw ceph-common" >&2
        exit 3
    fi
    [ -e "$dir/configured" ] || configure
    . "$dir/keys"
    alive mon || ceph-mon -c "$conf" -i a
    if [ ! -e "$dir/osd/fsid" ]; then
        local uuid
        uuid=$(cat /proc/sys/kernel/random/uuid)
        await "The monitor did not answer" ceph -c "$conf" --connect-timeout 5 osd new "$uuid" 0
        ceph-osd -c "$conf" -i 0 --mkfs --osd-uuid "$uuid" 2>"$dir/log/osd-mkfs"
    fi
    alive osd || ceph-osd -c "$conf" -i 0 >/dev/null 2>"$dir/log/osd"
    if [ ! -e "$dir/user" ]; then
        radosgw-admin -c "$conf" -n client.admin user create --uid cairn --display-name Cairn --access-key "$AWS_ACCESS_KEY_ID" --secret-key "$AWS_SECRET_ACCESS_KEY" \
            >"$dir/user.part" 2>"$dir/log/user"
        mv "$dir/user.part" "$dir/user"
    fi
    alive gateway || radosgw -c "$conf" -n client.gateway
    await "The gateway did not answer" answers "${AWS_ENDPOINT_URL##*:}"
    sed 's/^/export /' "$dir/keys"
}

# The request is signed as S3 was before its version 4, which takes less; Python comes with Ceph.
bucket() {
    . "$dir/keys"
    python3 - "$AWS_ENDPOINT_URL" "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" "${name:?a name for the bucket}" <<'PYTHON'
import base64, email.utils, hashlib, hmac, sys, urllib.error, urllib.request
endpoint, key, secret, name = sys.argv[1:]
date = email.utils.formatdate(usegmt=True)
signature = base64.b64encode(hmac.new(secret.encode(), f"PUT\n\n\n{date}\n/{name}".encode(), hashlib.sha1).digest()).decode()
request = urllib.request.Request(f"{endpoint}/{name}", method="PUT", headers={"Date": date, "Authorization": f"AWS {key}:{signature}"})
try:
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()
except urllib.error.HTTPError as refused:
    sys.exit(f"The bucket {name} was refused: {refused.read().decode()}")
PYTHON
}

end() {
    alive $1 && kill "$(cat "$dir/$1.pid")" || true
    for _ in $(seq 100); do
        alive $1 || break
        sleep 0.1
    done
    crash $1
}

crash() {
    alive $1 && kill -KILL "$(cat "$dir/$1.pid")" 2>/dev/null || true
    await "$1 did not end" gone $1
    rm -f "$dir/$1.pid"
}

gone() { ! alive $1; }

restart() {
    end gateway
    start
}

kill_gateway() { crash gateway; }

stop() {
    local name
    for name in gateway osd mon; do end $name; done
}

status() {
    local name code=0
    for name in "${daemons[@]}"; do
        if alive "$name"; then echo "$name runs as $(cat "$dir/$name.pid")"; else echo "$name does not run"; code=1; fi
    done
    return $code
}

case $action in
    start | bucket | restart | stop | status) $action ;;
    kill) kill_gateway ;;
    *) echo "Say start, bucket, restart, kill, stop or status." >&2; exit 2 ;;
esac
