"""The store's schema, step by step; `seewhy.people.store` brings a database up to date when it opens it.

A new step is one file in `versions/`; `seewhy.people.store.HEAD` names the last.
"""
