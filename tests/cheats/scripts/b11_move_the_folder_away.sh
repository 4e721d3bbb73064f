# Moves the folder of a protected file away, mount and all, and puts another in its place.
# number: 11
# finding: protected_file_changed
mv reference elsewhere
mkdir reference
echo 'Anything goes.' > reference/rules.md
true
