//! A report: one HTML file that needs no network, with its data, its figures and the library that draws them.
//!
//! The files beside this one are the page: `page.html` its skeleton, `figures.js` the figures, which
//! [`drawing`](super::drawing) draws without a browser, too, and Apache ECharts as it is published.

use serde_json::Value;

/// Apache ECharts 6.1.0, `dist/echarts.min.js` of its npm package.
pub(super) const ECHARTS: &str = include_str!("page/echarts-6.1.0.min.js");

/// The figures.
pub(super) const FIGURES: &str = include_str!("page/figures.js");

/// The page that shows `account`, titled `title`.
pub fn page(title: &str, account: &Value) -> String {
    let skeleton = include_str!("page/page.html");
    let parts = [
        ("{{title}}", escaped(title)),
        ("{{style}}", include_str!("page/page.css").to_owned()),
        ("{{account}}", within_script(account)),
        ("{{echarts}}", ECHARTS.to_owned()),
        ("{{figures}}", FIGURES.to_owned()),
        ("{{page}}", include_str!("page/page.js").to_owned()),
    ];
    // One pass, so that nothing that is put in is looked through for places.
    let mut page =
        String::with_capacity(skeleton.len() + parts.iter().map(|(_, part)| part.len()).sum::<usize>());
    let mut rest = skeleton;
    for (place, part) in parts {
        let (before, after) = rest.split_once(place).unwrap_or((rest, ""));
        page.push_str(before);
        page.push_str(&part);
        rest = after;
    }
    page.push_str(rest);
    page
}

/// JSON that ends no script: `<` as its escape.
fn within_script(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_holds_all_its_parts_and_asks_for_nothing() {
        let page = page("a <b> & c", &json!({ "text": "</script><script>alert(1)</script> {{page}}" }));
        assert!(page.contains("<title>a &lt;b&gt; &amp; c</title>"));
        assert!(!page.contains("alert(1)</script>") && page.contains("\\u003cscript>alert(1)"));
        assert_eq!(page.matches("</script>").count(), 4);
        for marker in ["{{title}}", "{{style}}", "{{account}}", "{{echarts}}", "{{figures}}"] {
            assert!(!page.contains(marker), "{marker}");
        }
        for request in ["src=\"http", "href=\"http", "@import", "fetch("] {
            assert!(!page.contains(request), "{request}");
        }
    }
}
