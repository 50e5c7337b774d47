"""The suite: the four packages composed into the tables of the paper.

A preset says what to run; :mod:`mtneuro_suite.plan.plan` turns it into runs, each named by everything that
can change its result; :mod:`mtneuro_suite.execute.engine` carries them out over processes; the tables and the
report are built by reading what the runs wrote.
"""

SUITE_VERSION = "0.1.0"
"""Version of the protocol as this suite carries it out; part of every result's key."""
