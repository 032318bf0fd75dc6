-- Accuracies after fine-tuning at the test resolution. A fine-tuning is named by what it trains and by what differs
-- from its defaults: 'none', 'top', 'blocks.12 epochs=4'. docs/methods.md says what it does.

DROP VIEW results;
DROP VIEW sweep_results;

ALTER TABLE sweep_tests RENAME TO former_sweep_tests;

-- The accuracies that a sweep asks of a configuration.
CREATE TABLE sweep_tests (
    sweep_id         INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    configuration_id INTEGER NOT NULL REFERENCES configurations (id),
    test_resolution  INTEGER NOT NULL CHECK (test_resolution > 0),
    fine_tuning      TEXT    NOT NULL DEFAULT 'none' CHECK (fine_tuning <> ''),
    aliased          INTEGER NOT NULL CHECK (aliased IN (0, 1)),
    PRIMARY KEY (sweep_id, configuration_id, test_resolution, fine_tuning)
) STRICT, WITHOUT ROWID;

INSERT INTO sweep_tests (sweep_id, configuration_id, test_resolution, aliased)
SELECT sweep_id, configuration_id, test_resolution, aliased FROM former_sweep_tests;

DROP TABLE former_sweep_tests;

ALTER TABLE evaluations RENAME TO former_evaluations;

CREATE TABLE evaluations (
    id              INTEGER PRIMARY KEY,
    trial_id        INTEGER NOT NULL REFERENCES trials (id) ON DELETE CASCADE,
    test_resolution INTEGER NOT NULL CHECK (test_resolution > 0),
    fine_tuning     TEXT    NOT NULL DEFAULT 'none' CHECK (fine_tuning <> ''),
    fine_tune_s     REAL    CHECK (fine_tune_s >= 0), -- its own time, the evaluation's not counted
    aliased         INTEGER NOT NULL CHECK (aliased IN (0, 1)),
    images          INTEGER NOT NULL CHECK (images > 0),
    top1_correct    INTEGER NOT NULL CHECK (top1_correct BETWEEN 0 AND top5_correct),
    top5_correct    INTEGER NOT NULL CHECK (top5_correct <= images),
    top1            REAL    NOT NULL GENERATED ALWAYS AS (1.0 * top1_correct / images) VIRTUAL,
    top5            REAL    NOT NULL GENERATED ALWAYS AS (1.0 * top5_correct / images) VIRTUAL,
    loss            REAL    NOT NULL,
    elapsed_s       REAL    NOT NULL CHECK (elapsed_s >= 0),
    UNIQUE (trial_id, test_resolution, fine_tuning),
    CHECK ((fine_tuning = 'none') = (fine_tune_s IS NULL))
) STRICT;

-- No version of this program fine-tuned before.
INSERT INTO evaluations (id, trial_id, test_resolution, aliased, images, top1_correct, top5_correct, loss, elapsed_s)
SELECT id, trial_id, test_resolution, aliased, images, top1_correct, top5_correct, loss, elapsed_s
FROM former_evaluations WHERE NOT fine_tuned;

DROP TABLE former_evaluations;

-- One row per evaluation, whichever sweeps ask for it: the table to analyse. Times and rates of training count the
-- fine-tuning that an accuracy took, in the share in which it took the trial's own time.
CREATE VIEW results AS
SELECT
    o.trial_key, o.configuration_key, o.state,
    o.preset, o.norm, o.norm_groups, o.group_size, o.expand_ratio, o.batch_size,
    o.train_resolution, e.test_resolution, e.aliased, e.fine_tuning, o.seed,
    o.epochs, o.optimizer, o.learning_rate, o.image_set, o.classes,
    e.top1, e.top5, e.loss AS test_loss, e.images AS test_images,
    CAST(o.train_time_s + coalesce(e.fine_tune_s, 0) AS REAL) AS train_time_s,
    e.fine_tune_s AS fine_tune_time_s,
    CAST(o.train_images_per_s * coalesce(o.train_time_s / (o.train_time_s + e.fine_tune_s), 1) AS REAL)
        AS train_images_per_s,
    CAST(o.train_images_per_s_low * coalesce(o.train_time_s / (o.train_time_s + e.fine_tune_s), 1) AS REAL)
        AS train_images_per_s_low,
    CAST(o.train_images_per_s_high * coalesce(o.train_time_s / (o.train_time_s + e.fine_tune_s), 1) AS REAL)
        AS train_images_per_s_high,
    o.train_quiet,
    s.images_per_s AS inference_images_per_s,
    s.images_per_s_low AS inference_images_per_s_low,
    s.images_per_s_high AS inference_images_per_s_high,
    s.quiet AS inference_quiet,
    o.train_machine_id, s.machine_id AS inference_machine_id,
    o.parameters, o.macs, o.activation_bytes, o.macs_deviation, o.parameters_deviation, o.peak_memory_mib,
    o.attempts, o.ended_at, o.program_version, o.git_commit, o.git_dirty, o.trial_id, o.configuration_id
FROM trial_overview AS o
JOIN evaluations AS e ON e.trial_id = o.trial_id
LEFT JOIN throughput AS s
    ON s.configuration_id = o.configuration_id AND s.kind = 'inference'
    AND s.resolution = e.test_resolution AND s.newest;

-- One row per accuracy that a sweep asks for, there or not yet (top1 is NULL then): what `pareto` reads.
CREATE VIEW sweep_results AS
SELECT
    w.name AS sweep, m.position,
    o.trial_key, o.configuration_key, o.state,
    o.preset, o.norm, o.norm_groups, o.group_size, o.expand_ratio, o.batch_size,
    o.train_resolution, q.test_resolution, q.aliased, q.fine_tuning, o.seed,
    o.epochs, o.optimizer, o.learning_rate, o.image_set, o.classes,
    e.top1, e.top5, e.loss AS test_loss, e.images AS test_images,
    CAST(o.train_time_s + coalesce(e.fine_tune_s, 0) AS REAL) AS train_time_s,
    e.fine_tune_s AS fine_tune_time_s,
    CAST(o.train_images_per_s * coalesce(o.train_time_s / (o.train_time_s + e.fine_tune_s), 1) AS REAL)
        AS train_images_per_s,
    CAST(o.train_images_per_s_low * coalesce(o.train_time_s / (o.train_time_s + e.fine_tune_s), 1) AS REAL)
        AS train_images_per_s_low,
    CAST(o.train_images_per_s_high * coalesce(o.train_time_s / (o.train_time_s + e.fine_tune_s), 1) AS REAL)
        AS train_images_per_s_high,
    o.train_quiet,
    s.images_per_s AS inference_images_per_s,
    s.images_per_s_low AS inference_images_per_s_low,
    s.images_per_s_high AS inference_images_per_s_high,
    s.quiet AS inference_quiet,
    o.train_machine_id, s.machine_id AS inference_machine_id,
    o.parameters, o.macs, o.activation_bytes, o.macs_deviation, o.parameters_deviation, o.peak_memory_mib,
    o.attempts, o.ended_at, o.program_version, o.git_commit, o.git_dirty, o.trial_id, o.configuration_id
FROM sweeps AS w
JOIN sweep_trials AS m ON m.sweep_id = w.id
JOIN trial_overview AS o ON o.trial_id = m.trial_id
JOIN sweep_tests AS q ON q.sweep_id = w.id AND q.configuration_id = o.configuration_id
LEFT JOIN evaluations AS e
    ON e.trial_id = o.trial_id AND e.test_resolution = q.test_resolution AND e.fine_tuning = q.fine_tuning
LEFT JOIN throughput AS s
    ON s.configuration_id = o.configuration_id AND s.kind = 'inference'
    AND s.resolution = q.test_resolution AND s.newest;
