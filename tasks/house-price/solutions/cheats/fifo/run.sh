# Cheat: a pipe that a careless reader waits for.
mkfifo submission.csv
