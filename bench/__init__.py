"""`make bench`: how fast Tekana is, each figure beside the machine's own limit measured in the same run.

data.py makes the customers and movements; reference.sql is the limit, one transfer as one SQL function that pgbench
drives; load.py drives HTTP, servers.py starts what is driven, __main__.py runs every case in turn, several rounds, and
report.py prints the table with its goals.
"""
