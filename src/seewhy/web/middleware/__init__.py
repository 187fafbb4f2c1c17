"""What every request passes before it reaches a page or the REST interface: one module for each kind of guard."""
