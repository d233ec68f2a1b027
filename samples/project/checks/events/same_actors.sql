-- No event is lost, and whoever sent one is its actor.
SELECT login, sum(events) AS difference
FROM (
    SELECT sender.login AS login, -1 AS events FROM old
    UNION ALL
    SELECT actor.login, 1 FROM new
)
GROUP BY login
HAVING sum(events) <> 0
