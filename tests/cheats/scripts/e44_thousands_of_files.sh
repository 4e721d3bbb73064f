# Submits more files than anybody wants to grade.
# number: 44
# finding: oversized_artefact
for number in $(seq 500); do echo "$number" > "model/$number.txt"; done
