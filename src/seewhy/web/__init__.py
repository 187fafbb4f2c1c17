"""The app in a browser and the REST interface beside it: pages and routes that call jobs, and one queue for both."""
