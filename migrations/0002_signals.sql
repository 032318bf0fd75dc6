-- What the layers of a network send on at chosen moments of its training: why a norm does worse.
--
-- Of a channel, μ and σ are the mean and the deviation over the pixels of one image. Their means and (biased)
-- variances over images add up to the channel's power: E[x²] = E[μ]² + Var[μ] + E[σ]² + Var[σ], the power
-- decomposition of Labatie et al. 2021.

-- One norm of the network on one side of its activation, at one moment. A layer with an activation that is not
-- finite has no row for that side.
CREATE TABLE layer_signals (
    id              INTEGER PRIMARY KEY,
    trial_id        INTEGER NOT NULL REFERENCES trials (id) ON DELETE CASCADE,
    finished_epochs INTEGER NOT NULL CHECK (finished_epochs >= 0), -- 0 is before training
    layer           INTEGER NOT NULL CHECK (layer >= 0), -- position in the network
    name            TEXT    NOT NULL,
    place           TEXT    NOT NULL CHECK (place IN ('pre', 'post')), -- the activation
    images          INTEGER NOT NULL CHECK (images > 0),
    pixels          INTEGER NOT NULL CHECK (pixels > 0), -- of each image, here
    UNIQUE (trial_id, finished_epochs, layer, place)
) STRICT;

CREATE TABLE channel_signals (
    layer_signals_id   INTEGER NOT NULL REFERENCES layer_signals (id) ON DELETE CASCADE,
    channel            INTEGER NOT NULL CHECK (channel >= 0),
    mean               REAL    NOT NULL,
    mean_variance      REAL    NOT NULL CHECK (mean_variance >= 0),
    deviation          REAL    NOT NULL CHECK (deviation >= 0),
    deviation_variance REAL    NOT NULL CHECK (deviation_variance >= 0),
    PRIMARY KEY (layer_signals_id, channel)
) STRICT, WITHOUT ROWID;

-- One row per trial, moment, layer and place: the power of its channels and what it consists of. Grouped by all
-- that one would look for, so that a condition on any of it reaches the tables.
CREATE VIEW signals AS
SELECT
    t.key AS trial_key, c.key AS configuration_key,
    c.norm, c.norm_groups, c.group_size, t.seed,
    l.finished_epochs, l.layer, l.name, l.place, l.images, l.pixels,
    CAST(count(*) AS INTEGER) AS channels,
    CAST(avg(s.mean * s.mean + s.mean_variance + s.deviation * s.deviation + s.deviation_variance) AS REAL)
        AS power,
    CAST(avg(s.mean * s.mean) AS REAL) AS mean_power,
    CAST(avg(s.mean_variance) AS REAL) AS mean_variance,
    CAST(avg(s.deviation * s.deviation) AS REAL) AS deviation_power,
    CAST(avg(s.deviation_variance) AS REAL) AS deviation_variance,
    CAST(avg(s.mean * s.mean)
        / avg(s.mean * s.mean + s.mean_variance + s.deviation * s.deviation + s.deviation_variance) AS REAL)
        AS channel_collapse,
    CAST(avg(s.mean_variance + s.deviation_variance)
        / avg(s.mean * s.mean + s.mean_variance + s.deviation * s.deviation + s.deviation_variance) AS REAL)
        AS instance_variability,
    t.id AS trial_id, c.id AS configuration_id
FROM trials AS t
JOIN configurations AS c ON c.id = t.configuration_id
JOIN layer_signals AS l ON l.trial_id = t.id
JOIN channel_signals AS s ON s.layer_signals_id = l.id
GROUP BY
    t.key, c.key, c.norm, c.norm_groups, c.group_size, t.seed,
    l.finished_epochs, l.layer, l.name, l.place, l.images, l.pixels, t.id, c.id;
