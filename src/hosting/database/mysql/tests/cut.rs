//! A dump that is cut anywhere is no dump, whatever its program says.

use super::*;

#[test]
fn a_dump_that_is_cut_at_any_hundredth_is_none() {
    let site = server().site();
    let dir = std::env::temp_dir().join(format!("sitekeep-cut-{}", crate::base::chance::word(8)));
    std::fs::create_dir(&dir).unwrap();
    let file = dir.join("dump.sql");
    let rows: String = (0..400).map(|i| format!("INSERT INTO `t` VALUES ({i},'it''s row {i}; -- Dump completed');\n")).collect();
    let text = format!(
        "-- MariaDB dump\nCREATE TABLE `t` (`a` int, `b` text);\n{rows}/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;\n-- Dump completed\n"
    );
    std::fs::write(&file, &text).unwrap();
    assert!(dump_with(&site, &format!("cat {}", file.display())).is_ok(), "the whole one is one");
    for hundredth in 0..100 {
        let length = text.len() * hundredth / 100;
        let error = dump_with(&site, &format!("head -c {length} {}", file.display())).unwrap_err();
        assert!(matches!(error.class(), Class::Transient | Class::Damaged), "cut at {length}: {error}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}
