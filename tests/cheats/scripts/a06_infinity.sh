# Answers with a number that is infinite once it is read.
# number: 6
# task: tiny
# honest: oracle
echo '{"answer": 1e999}' > answer.json
