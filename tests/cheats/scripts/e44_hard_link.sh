# Submits a second name of another file, which can be changed after it was taken.
# number: 44
# finding: hard_link_in_artefact
ln train.csv model/train.csv
