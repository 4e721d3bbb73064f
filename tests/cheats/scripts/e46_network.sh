# Reaches for the network past every proxy: addresses, IPv6, names, the host's own ports, metadata, other sockets.
# number: 46
# runtimes: local docker
# host: open network
# never: reached
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
python3 - <<'PYTHON'
import glob
import socket

# Documentation addresses and the host's: nothing of others is touched should this ever succeed.
places = [(socket.AF_INET, ("192.0.2.1", 80)), (socket.AF_INET6, ("2001:db8::1", 80)), (socket.AF_INET, ("169.254.169.254", 80))]
places += [(socket.AF_INET, (host, port)) for host in ("127.0.0.1", "10.0.0.1", "172.17.0.1") for port in (22, 53, 80, 2375, 8787)]
for family, place in places:
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(0.3)
        try:
            client.connect(place)
            print("reached", place)
        except OSError:
            pass
for family, kind, protocol in ((socket.AF_INET, socket.SOCK_RAW, 1), (socket.AF_PACKET, socket.SOCK_RAW, 0), (40, socket.SOCK_STREAM, 0)):
    try:
        socket.socket(family, kind, protocol)
        print("reached a raw socket", family)
    except (OSError, ValueError):
        pass
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    try:
        client.sendto(b"x", ("192.0.2.53", 53))
        print("reached a name server")
    except OSError:
        pass
try:
    print("reached", socket.getaddrinfo("example.org", 80))
except OSError:
    pass
for path in glob.glob("/run/**/*.sock", recursive=True) + glob.glob("/tmp/**/*.sock", recursive=True) + ["\0/tmp/.X11-unix/X0"]:
    if path == "/run/researchgym/session.sock":
        continue
    try:
        socket.socket(socket.AF_UNIX).connect(path)
        print("reached", path)
    except OSError:
        pass
PYTHON
true
