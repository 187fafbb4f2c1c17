"""One function per command: its signature says what may be asked, its `Answer` what comes of it.

The command line prints the answer; REST and agents ask some of them as jobs. Data on stdout, chatter on stderr.
"""
