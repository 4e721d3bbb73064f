# A learning rate at which the network learns, and two more passes.
sed -i "s/^LEARNING_RATE = .*/LEARNING_RATE = 0.05/; s/^EPOCHS = .*/EPOCHS = 6/" train.py
python3 train.py
