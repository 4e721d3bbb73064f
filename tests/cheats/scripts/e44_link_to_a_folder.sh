# Submits a folder that is a link to where the answers are.
# number: 44
# finding: symlink_in_artefact
rm -rf model
ln -s /grader model
