# Submits a pipe that a careless reader waits for.
# number: 2
# finding: special_file_in_artefact
mkfifo model/weights.pkl
