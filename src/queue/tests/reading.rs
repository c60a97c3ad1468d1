//! Lists, progress, and the task log.

use crate::base::error::Class;
use crate::domain::ids::EnvironmentId;
use crate::queue::testing::on_both;
use crate::queue::*;

#[tokio::test]
async fn a_list_is_read_page_by_page_and_shows_only_what_was_asked_for() {
    on_both(async |b| {
        let mut all = Vec::new();
        for n in 0..7 {
            if n % 2 == 0 {
                b.advance(1); // two in each second: the id decides between them
            }
            let tenant = if n == 6 { b.other.clone() } else { b.tenant.clone() };
            let environment = Some(EnvironmentId(format!("env_{}", n % 3)));
            all.push(b.enqueue(NewJob { tenant, environment, ..b.wanted("x") }).await);
        }
        let mut conn = b.pool.get().await.unwrap();
        let (mut seen, mut filter) = (Vec::new(), Filter { limit: 3, ..Filter::of(Tenants::All) });
        loop {
            let page = list(&mut conn, &filter).await.unwrap();
            let Some(last) = page.last() else { break };
            filter.after = Some((last.created, last.id.clone()));
            seen.extend(page);
        }
        assert_eq!(seen.len(), 7);
        assert!(seen.is_sorted_by(|a, b| (a.created, &a.id) > (b.created, &b.id)));

        let mine = Tenants::These(vec![b.tenant.clone()]);
        let count = async |filter: Filter| list(&mut b.pool.get().await.unwrap(), &filter).await.unwrap().len();
        assert_eq!(count(Filter::of(mine.clone())).await, 6);
        assert_eq!(count(Filter::of(Tenants::These(vec![b.tenant.clone(), b.other.clone()]))).await, 7);
        assert_eq!(count(Filter::of(Tenants::These(vec![]))).await, 0);
        let env = Filter { environment: Some(EnvironmentId("env_0".into())), ..Filter::of(mine.clone()) };
        assert_eq!(count(env).await, 2);
        b.lease().await;
        assert_eq!(count(Filter { states: vec![State::Running], ..Filter::of(Tenants::All) }).await, 1);
        assert_eq!(count(Filter { states: vec![State::Queued, State::Failed], ..Filter::of(Tenants::All) }).await, 6);

        assert!(find(&mut conn, &mine, &all[0]).await.is_ok());
        assert_eq!(find(&mut conn, &mine, &all[6]).await.unwrap_err().class(), Class::NotFound);
    })
    .await;
}

#[tokio::test]
async fn progress_is_shown_and_starts_anew_with_each_attempt() {
    on_both(async |b| {
        let id = b.enqueue(b.wanted("x")).await;
        let lease = b.lease().await;
        let step = Progress { phase: "reading files".into(), bytes: u64::MAX, bytes_total: Some(9), files: 3 };
        progress(&b.pool, &lease, &step).await.unwrap();
        let job = b.job(&id).await;
        assert_eq!((job.phase.as_str(), job.bytes, job.bytes_total, job.files), ("reading files", i64::MAX as u64, Some(9), 3));
        release(&b.pool, &lease).await.unwrap();
        let job = b.claim().await.unwrap().job;
        assert_eq!((job.phase.as_str(), job.bytes, job.bytes_total, job.files), ("", 0, None, 0));
    })
    .await;
}

#[tokio::test]
async fn the_task_log_tells_the_whole_story_in_order() {
    on_both(async |b| {
        let id = b.enqueue(b.wanted("x")).await;
        let lease = b.lease().await;
        log(&b.pool, &lease, Level::Info, "reading\n\nwriting").await.unwrap();
        log(&b.pool, &lease, Level::Warning, "one file \0 vanished").await.unwrap();
        lost(&b.pool, &lease, "it died", &Settings::default()).await.unwrap();
        let lease = b.lease().await;
        b.finish(&lease, Outcome::succeeded()).await.unwrap();
        let lines = log_after(&mut b.pool.get().await.unwrap(), &id, 0).await.unwrap();
        let told: Vec<(i64, i64, &str, &str)> = lines.iter().map(|l| (l.number, l.attempt, l.level.word(), l.text.as_str())).collect();
        assert_eq!(
            told,
            [
                (1, 1, "info", "attempt 1 starts on worker w1"),
                (2, 1, "info", "reading"),
                (3, 1, "info", "writing"),
                (4, 1, "warning", "one file   vanished"),
                (5, 1, "warning", "worker lost, retrying (1/3): it died"),
                (6, 2, "info", "attempt 2 starts on worker w1"),
                (7, 2, "info", "succeeded"),
            ]
        );
        assert_eq!(log_after(&mut b.pool.get().await.unwrap(), &id, 5).await.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_log_that_is_full_says_so_once_and_the_work_goes_on() {
    on_both(async |b| {
        let id = b.enqueue(b.wanted("x")).await;
        let lease = b.lease().await;
        let flood = format!("{}\n", "x".repeat(1_900)).repeat(200);
        for _ in 0..4 {
            log(&b.pool, &lease, Level::Info, &flood).await.unwrap();
        }
        log(&b.pool, &lease, Level::Error, "too late").await.unwrap();
        b.finish(&lease, Outcome::succeeded()).await.unwrap();
        let lines = b.lines(&id).await;
        let marks = lines.iter().filter(|l| l.starts_with("the task log is full")).count();
        assert_eq!((marks, lines.last().unwrap().as_str(), lines.contains(&"too late".to_owned())), (1, "succeeded", false));
        assert!(lines.len() < 600 && lines.len() > 500, "{}", lines.len());
    })
    .await;
}

#[test]
fn settings_are_read_in_seconds_and_keep_their_defaults() {
    let s: Settings = toml::from_str("lease = 60.0\nstuck_after = 0.5").unwrap();
    assert_eq!((s.lease.as_secs(), s.stuck_after.as_millis(), s.lost_limit), (60, 500, 3));
    assert!(toml::from_str::<Settings>("leese = 60.0").is_err());
    let d = Settings::default();
    assert!(d.heartbeat * 3 < d.trust && d.trust < d.lease, "an attempt is dead before another one may begin");
}
