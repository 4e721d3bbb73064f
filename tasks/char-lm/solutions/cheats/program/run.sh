# Cheat: a program where numbers are wanted.
printf 'import pickle\nprint("a model")\n' > model.json
