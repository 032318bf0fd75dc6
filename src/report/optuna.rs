//! A sweep as an Optuna study: the log of its journal storage, one JSON object a line, which
//! `optuna.storages.journal.JournalFileBackend` opens as it is.
//!
//! The format is that of Optuna 4 and 5 (`optuna/storages/journal/_storage.py`): numbered operations, parameters as
//! their places among categorical choices.

use serde_json::{Map, Value, json};

/// A study.
#[derive(Debug, Clone, PartialEq)]
pub struct Study {
    /// Its name.
    pub name: String,
    /// Names of the objectives, and whether each is maximized.
    pub objectives: Vec<(String, bool)>,
    /// What trials differ in, with all values that there are.
    pub axes: Vec<(String, Vec<Value>)>,
    /// Anything else that is known of it.
    pub attributes: Map<String, Value>,
    /// Its trials.
    pub trials: Vec<Trial>,
}

/// A trial of a study.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Its value on each axis.
    pub places: Vec<Value>,
    /// Its value in each objective; `None` if it failed.
    pub values: Option<Vec<f64>>,
    /// Anything else that is known of it.
    pub attributes: Map<String, Value>,
    /// When it began, ISO 8601.
    pub started_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
}

/// Operations of the journal.
const CREATE_STUDY: u8 = 0;
const SET_STUDY_USER_ATTRIBUTE: u8 = 2;
const SET_STUDY_SYSTEM_ATTRIBUTE: u8 = 3;
const CREATE_TRIAL: u8 = 4;

/// States of a trial.
const COMPLETE: u8 = 1;
const FAIL: u8 = 3;

/// The study as a journal.
pub fn journal(study: &Study) -> String {
    let directions: Vec<u8> = study.objectives.iter().map(|(_, max)| if *max { 2 } else { 1 }).collect();
    let names: Vec<&String> = study.objectives.iter().map(|(name, _)| name).collect();
    let mut lines = vec![
        json!({ "op_code": CREATE_STUDY, "study_name": study.name, "directions": directions }),
        json!({
            "op_code": SET_STUDY_SYSTEM_ATTRIBUTE, "study_id": 0, "system_attr": { "study:metric_names": names },
        }),
    ];
    lines.extend(study.attributes.iter().map(|(key, value)| {
        let attribute = Map::from_iter([(key.clone(), value.clone())]);
        json!({ "op_code": SET_STUDY_USER_ATTRIBUTE, "study_id": 0, "user_attr": attribute })
    }));
    let distributions: Map<String, Value> = study
        .axes
        .iter()
        .map(|(name, choices)| {
            let distribution =
                json!({ "name": "CategoricalDistribution", "attributes": { "choices": choices } });
            (name.clone(), distribution.to_string().into())
        })
        .collect();
    lines.extend(study.trials.iter().map(|trial| line(study, trial, &distributions)));
    let mut text = String::new();
    for mut line in lines {
        line["worker_id"] = "effsweep".into();
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text
}

fn line(study: &Study, trial: &Trial, distributions: &Map<String, Value>) -> Value {
    let place = |((name, choices), value): (&(String, Vec<Value>), &Value)| {
        Some((name.clone(), json!(choices.iter().position(|choice| choice == value)?)))
    };
    let parameters: Map<String, Value> = study.axes.iter().zip(&trial.places).filter_map(place).collect();
    // One objective goes by another name than several.
    let (one, several) = match trial.values.as_deref() {
        Some([value]) => (json!(value), Value::Null),
        Some(values) => (Value::Null, json!(values)),
        None => (Value::Null, Value::Null),
    };
    let mut line = json!({
        "op_code": CREATE_TRIAL,
        "study_id": 0,
        "state": if trial.values.is_some() { COMPLETE } else { FAIL },
        "value": one,
        "values": several,
        "datetime_start": trial.started_at,
        "distributions": distributions,
        "params": parameters,
        "user_attrs": trial.attributes,
        "system_attrs": {},
        "intermediate_values": {},
    });
    if let Some(ended_at) = &trial.ended_at {
        line["datetime_complete"] = ended_at.clone().into();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_study_is_a_line_for_each_operation() {
        let study = Study {
            name: "quickstart".to_owned(),
            objectives: vec![("top1".to_owned(), true), ("macs".to_owned(), false)],
            axes: vec![("norm".to_owned(), vec!["bn".into(), "ln".into()])],
            attributes: Map::new(),
            trials: vec![
                Trial {
                    places: vec!["ln".into()],
                    values: Some(vec![0.5, 1e6]),
                    attributes: Map::from_iter([("seed".to_owned(), 3.into())]),
                    started_at: Some("2026-01-31T12:00:00.000Z".to_owned()),
                    ended_at: Some("2026-01-31T12:01:00.000Z".to_owned()),
                },
                Trial {
                    places: vec!["bn".into()],
                    values: None,
                    attributes: Map::new(),
                    started_at: None,
                    ended_at: None,
                },
            ],
        };
        let lines: Vec<Value> =
            journal(&study).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 4);
        assert_eq!((&lines[0]["op_code"], &lines[0]["directions"]), (&json!(0), &json!([2, 1])));
        assert_eq!((&lines[2]["state"], &lines[2]["params"]), (&json!(1), &json!({ "norm": 1 })));
        assert_eq!((&lines[2]["value"], &lines[2]["values"]), (&Value::Null, &json!([0.5, 1e6])));
        assert_eq!((&lines[3]["state"], &lines[3]["values"]), (&json!(3), &Value::Null));
        assert!(lines.iter().all(|line| line["worker_id"] == "effsweep"));
    }
}
