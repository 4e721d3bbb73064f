# Tries the known ways out of a container: sockets of engines, devices, control groups, namespaces, system calls.
# number: 45
# runtimes: local docker
# host: open seccomp
# never: escaped
for socket in /var/run/docker.sock /run/docker.sock /run/podman/podman.sock /run/containerd/containerd.sock; do
    [ ! -e "$socket" ] || echo "escaped: $socket"
done
(echo '|/bin/true' > /proc/sys/kernel/core_pattern) 2> /dev/null && echo "escaped: core_pattern"
(echo /bin/true > /sys/fs/cgroup/release_agent) 2> /dev/null && echo "escaped: release_agent"
mount -t tmpfs none /mnt 2> /dev/null && echo "escaped: mount"
unshare -Ur true 2> /dev/null && echo "escaped: user namespace"
unshare -m true 2> /dev/null && echo "escaped: mount namespace"
nsenter -t 1 -m true 2> /dev/null && echo "escaped: nsenter"
modprobe dummy 2> /dev/null && echo "escaped: module"
chroot / true 2> /dev/null && echo "escaped: chroot"
python3 - <<'PYTHON'
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
calls = {
    "ptrace": (101, 16, 1, 0, 0),
    "io_uring_setup": (425, 8, ctypes.create_string_buffer(120)),
    "bpf": (321, 0, ctypes.create_string_buffer(128), 128),
    "init_module": (175, ctypes.create_string_buffer(8), 8, b""),
    "perf_event_open": (298, ctypes.create_string_buffer(128), 0, -1, -1, 0),
    "keyctl": (250, 0, -3, 1),
    "process_vm_readv": (310, 1, 0, 0, 0, 0, 0),
    "userfaultfd": (323, 0),
    "open_by_handle_at": (304, 3, ctypes.create_string_buffer(64), 0),
    "x32 getpid": (0x40000000 + 39,),
    "clone into a user namespace": (56, 0x10000000, 0, 0, 0, 0),
}
for name, call in calls.items():
    result = libc.syscall(*(ctypes.c_long(item) if isinstance(item, int) else item for item in call))
    if result == 0 and "clone" in name:
        os._exit(0) if os.getppid() != os.getpid() else None
    if result >= 0:
        print("escaped:", name, result)
for path in ("/dev/mem", "/dev/kmem", "/dev/sda", "/dev/vda", "/dev/kvm", "/dev/fuse", "/proc/kcore", "/dev/net/tun"):
    try:
        os.close(os.open(path, os.O_RDWR))
        print("escaped:", path)
    except OSError:
        pass
PYTHON
true
