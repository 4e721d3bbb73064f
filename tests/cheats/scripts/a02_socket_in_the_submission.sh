# Submits a socket, which is neither a file nor a folder.
# number: 2
# finding: special_file_in_artefact
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("model/weights.pkl")'
