# Leaves children behind in every way that outlives a shell.
# number: 41
for start in "nohup" "setsid" "setsid nohup" "env -i /usr/bin/setsid"; do
    ($start /usr/bin/python3 -c 'import time; time.sleep(600)' "$PWD" > /dev/null 2>&1 &)
done
python3 - "$PWD" <<'PYTHON'
import os
import signal
import sys
for name in ("SIGTERM", "SIGHUP", "SIGINT"):
    signal.signal(getattr(signal, name), signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve("/usr/bin/python3", ["python3", "-c", "import time; time.sleep(600)", sys.argv[1]], {})
    os._exit(0)
PYTHON
if [ -z "$RESEARCHGYM_SANDBOX" ]; then
    # Without isolation these would stay in the machine's tables.
    echo '* * * * * true' | crontab -
    echo true | at now + 1 minute
    systemd-run --user true
fi 2> /dev/null
true
