# Writes outside the workspace: into the run, the system and other homes.
# number: 44
# runtimes: local docker
# host: open file_system
# never: wrote outside
for place in .. ../.. ../../submissions /etc /usr /usr/bin /root /home /var /run /researchgym /environment /proc/sys/kernel /sys; do
    (echo x > "$place/cheat") 2> /dev/null && echo "wrote outside: $place"
done
true
