# Submits a link that leads to the answers where the grader would follow it.
# number: 2
# finding: symlink_in_artefact
ln -s /grader/labels.json model/results.json
