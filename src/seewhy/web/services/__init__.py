"""What pages and routes share: the queue, the models, what is kept, and results to take away."""
