-- Seeds that `run --settle` asked for beyond those of the sweep file, to decide what is on the front. They are members of
-- the sweep (sweep_trials) as long as it asks for their configuration.

CREATE TABLE settling_trials (
    sweep_id INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    trial_id INTEGER NOT NULL REFERENCES trials (id) ON DELETE CASCADE,
    PRIMARY KEY (sweep_id, trial_id)
) STRICT, WITHOUT ROWID;
