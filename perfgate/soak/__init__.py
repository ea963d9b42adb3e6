"""What a run over hours or days shows: periods, drift, events, and the checkpoint that keeps them."""
