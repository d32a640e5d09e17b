"""Golden numbers of the votes view (crates/duchenne/src/evaluation/votes_view.rs), by scipy.

pip install numpy scipy; python reference/votes_view.py
"""

import numpy as np
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax
from scipy.stats import entropy

logits = np.array([[2, 1, 0.5, 0, -0.5, -1, -1.5, -2], [0, 3, 0, 0, 1, 0, 0, 0]])
votes = np.array([[6, 3, 0, 0, 0, 0, 0, 0], [0, 8, 0, 0, 2, 0, 0, 0]])
shares = votes / votes.sum(axis=1, keepdims=True)
probabilities = softmax(logits / 1.25, axis=1)
print("cross-entropy", -(shares * np.log(probabilities)).sum(axis=1).mean())
print("entropy", entropy(shares, axis=1).mean())
print("Jensen-Shannon", (jensenshannon(shares, probabilities, axis=1) ** 2).mean())
