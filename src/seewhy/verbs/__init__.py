"""One function per verb: what the command line, the app and Python all call.

Each verb is a module of its own, such as `seewhy.verbs.explain`, so that a command loads what it uses and no more.
"""
