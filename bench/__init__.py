"""`make bench`: how fast Tekana is, each figure beside the machine's own limit measured in the same run.

data.py makes the customers and movements; reference.sql is the limit, one transfer as one SQL function driven by pgbench;
load.py drives HTTP, measures.py runs every case in turn, several rounds, report.py prints the table with its goals.
"""
