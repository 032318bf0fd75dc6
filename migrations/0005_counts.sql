-- How far each sweep is, kept up with every change of a state: counting a million trials would take half a second.

CREATE TABLE sweep_counts (
    sweep_id INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    state    TEXT    NOT NULL, -- as of trials
    trials   INTEGER NOT NULL,
    PRIMARY KEY (sweep_id, state)
) STRICT, WITHOUT ROWID;

INSERT INTO sweep_counts
SELECT m.sweep_id, t.state, count(*) FROM sweep_trials AS m JOIN trials AS t ON t.id = m.trial_id GROUP BY 1, 2;

-- What sweeps ask for changes only as a whole: whoever changes sweep_trials counts anew.
CREATE TRIGGER trials_counted AFTER UPDATE OF state ON trials WHEN old.state <> new.state
BEGIN
    UPDATE sweep_counts SET trials = trials - 1
    WHERE state = old.state AND sweep_id IN (SELECT sweep_id FROM sweep_trials WHERE trial_id = new.id);
    INSERT INTO sweep_counts (sweep_id, state, trials)
    SELECT sweep_id, new.state, 1 FROM sweep_trials WHERE trial_id = new.id
    ON CONFLICT DO UPDATE SET trials = trials + 1;
END;

DROP VIEW trial_status;
CREATE VIEW trial_status AS
SELECT
    w.name AS sweep,
    CAST(coalesce(sum(n.trials), 0) AS INTEGER) AS trials,
    CAST(coalesce(sum(n.trials) FILTER (WHERE n.state = 'planned'), 0) AS INTEGER) AS planned,
    CAST(coalesce(sum(n.trials) FILTER (WHERE n.state = 'running'), 0) AS INTEGER) AS running,
    CAST(coalesce(sum(n.trials) FILTER (WHERE n.state = 'finished'), 0) AS INTEGER) AS finished,
    CAST(coalesce(sum(n.trials) FILTER (WHERE n.state = 'diverged'), 0) AS INTEGER) AS diverged,
    CAST(coalesce(sum(n.trials) FILTER (WHERE n.state = 'failed'), 0) AS INTEGER) AS failed
FROM sweeps AS w
LEFT JOIN sweep_counts AS n ON n.sweep_id = w.id
GROUP BY w.id;

-- "What failed" of a million trials, without looking at the others.
CREATE INDEX trials_failed ON trials (id) WHERE state = 'failed';
