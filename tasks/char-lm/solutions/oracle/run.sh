# A learning rate at which the model learns, and more steps.
sed -i "s/^LEARNING_RATE = .*/LEARNING_RATE = 0.05/; s/^STEPS = .*/STEPS = 6000/" train.py
python3 train.py
