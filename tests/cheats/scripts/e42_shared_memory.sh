# Fills the shared memory.
# number: 42
# runtimes: local docker
# host: open tmp_size
head -c 400M /dev/zero > /dev/shm/flood
rm -f /dev/shm/flood
head -c 100M /dev/zero > /tmp/flood
rm -f /tmp/flood
true
