# Answers with what compares like a number and is none, and with an integer that no float holds.
# number: 6
# task: tiny
echo '{"answer": true}' > answer.json
researchgym validate
python3 -c 'print("{\"answer\": 1" + "0" * 900 + "}")' > answer.json
researchgym validate
echo '{"answer": -0.0, "answer": NaN}' > answer.json
