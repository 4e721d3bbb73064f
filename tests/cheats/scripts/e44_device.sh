# Submits a device in place of a file, or else what names one.
# number: 44
# runtimes: local docker
# host: open file_system
mknod model/weights.bin b 8 0
mknod model/weights.pkl c 1 5
ls -l model
true
