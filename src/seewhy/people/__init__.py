"""What people say and draw: the Deep Reveal game, its store, and how far its players agree."""
