DROP VIEW reports_holdline;
