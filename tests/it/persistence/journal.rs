//! What a journal keeps, and how it is read.

use emporium::persistence::cause::chain;
use emporium::persistence::journal::{
    Appended, ENTRIES_PER_APPEND_MAX, Entry, JournalError, LOGS_READ_AT_ONCE_BYTES,
    LOGS_READ_AT_ONCE_MAX, PageLimit,
};
use emporium::persistence::last_versions::LogName;
use uuid::Uuid;

use super::conformance;
use super::entries::{commit, entry, events, run_of, whole};
use crate::support::database::TestDatabase;

conformance!(
    entries_come_back_as_they_were_written,
    every_batch_size_is_written_whole,
    a_batch_over_several_shards_is_one,
    a_taken_number_refuses_the_whole_append,
    a_taken_version_refuses_the_whole_append,
    an_appender_goes_on_after_a_duplicate,
    only_one_of_many_writers_gets_a_number,
    an_impossible_append_is_refused,
    pages_are_bounded_in_rows,
    pages_are_bounded_in_bytes,
    a_page_holds_one_entry_however_large,
    a_shard_is_read_up_to_a_number,
    an_aggregate_is_read_from_the_entry_that_straddles,
    an_aggregate_is_read_in_pages,
    logs_are_read_together,
    aggregates_do_not_see_each_other,
    large_payloads_are_whole_or_absent,
    heads_are_the_last_numbers,
    a_second_count_of_shards_is_refused,
    operators_see_a_row_per_event,
    a_changed_byte_of_any_column_is_found,
);

async fn entries_come_back_as_they_were_written(database: TestDatabase) {
    // Four-byte characters, an escaped NUL, combining marks, spaces at the ends, escapes of JSON
    // and of SQL, and JSON whose spelling a database must not tidy up.
    let texts = [
        "plain",
        "🛒🇩🇪👩\u{200d}👩\u{200d}👧",
        "e\u{301} and é, ﷽, שלום",
        "quote ' double \" back \\ percent % under _ nul \u{0}",
        " spaces at both ends ",
        "line\r\nfeed\ttab\u{7f}\u{2028}",
    ];
    let mut written: Vec<Entry> = Vec::new();
    for (text, seq) in texts.iter().zip(1..) {
        let mut entry = entry(3, seq, 7);
        entry.attempt = 1 << 40;
        entry.events = events(2, text);
        entry.count = 2;
        entry.recorded_us = 1_700_000_000_000_000 + i64::try_from(seq).expect("small") * 1_000_001;
        written.push(entry);
    }
    written[0].events =
        r#"[ {"schema":1, "type":"A","data":{"b":1,"a":1.0,"a":1e2} ,"meta":{}}]"#.to_owned();
    written[0].count = 1;
    written[1].recorded_us = -1;
    written[2].recorded_us = 253_402_300_799_999_999;
    written[3].aggregate_id = Uuid::max();
    written[4].aggregate_id = Uuid::nil();

    commit(&*database.journal, &written).await;

    assert_eq!(whole(&*database.journal, 3).await, written);
}

async fn every_batch_size_is_written_whole(database: TestDatabase) {
    let mut appender = database.journal.appender().await.expect("the journal answers");
    let mut next = 1;
    for size in [1, 2, 3, 7, 64, 100, 255, 256, 257, ENTRIES_PER_APPEND_MAX as u64, 1] {
        let batch = run_of(0, next..=next + size - 1, 1);
        assert_eq!(appender.append(&batch).await, Appended::Committed, "{size} entries");
        next += size;
    }
    let numbers: Vec<u64> = whole(&*database.journal, 0).await.iter().map(|e| e.seq).collect();
    assert_eq!(numbers, (1..next).collect::<Vec<_>>(), "contiguous and in order");
}

async fn a_batch_over_several_shards_is_one(database: TestDatabase) {
    commit(&*database.journal, &[entry(2, 1, 1)]).await;
    let mut appender = database.journal.appender().await.expect("the journal answers");

    // Given a batch whose last entry meets a taken number
    let batch = [entry(0, 1, 1), entry(1, 1, 1), entry(2, 1, 1)];
    assert_eq!(appender.append(&batch).await, Appended::Duplicate);

    // Then the other shards have nothing of it.
    assert!(whole(&*database.journal, 0).await.is_empty());
    assert!(whole(&*database.journal, 1).await.is_empty());
    assert_eq!(appender.append(&batch[..2]).await, Appended::Committed);
    assert_eq!(whole(&*database.journal, 0).await, batch[..1]);
    assert_eq!(whole(&*database.journal, 1).await, batch[1..2]);
}

async fn a_taken_number_refuses_the_whole_append(database: TestDatabase) {
    let first = run_of(0, 1..=3, 1);
    commit(&*database.journal, &first).await;
    let mut appender = database.journal.appender().await.expect("the journal answers");

    let conflict = run_of(0, 3..=5, 1);
    assert_eq!(appender.append(&conflict).await, Appended::Duplicate);

    assert_eq!(whole(&*database.journal, 0).await, first);
}

async fn a_taken_version_refuses_the_whole_append(database: TestDatabase) {
    let first = entry(0, 1, 1);
    commit(&*database.journal, std::slice::from_ref(&first)).await;
    let mut appender = database.journal.appender().await.expect("the journal answers");

    // The same version of the same aggregate in another shard: a conflict too.
    let mut again = entry(1, 2, 1);
    again.aggregate_id = first.aggregate_id;
    assert_eq!(appender.append(&[entry(1, 1, 1), again]).await, Appended::Duplicate);

    assert!(whole(&*database.journal, 1).await.is_empty());
}

async fn an_appender_goes_on_after_a_duplicate(database: TestDatabase) {
    commit(&*database.journal, &run_of(0, 1..=1, 1)).await;
    let mut appender = database.journal.appender().await.expect("the journal answers");
    assert_eq!(appender.append(&run_of(0, 1..=1, 1)).await, Appended::Duplicate);
    assert_eq!(appender.append(&run_of(0, 2..=2, 1)).await, Appended::Committed);
}

async fn only_one_of_many_writers_gets_a_number(database: TestDatabase) {
    let mut writers = Vec::new();
    for epoch in 1..=6_u64 {
        let journal = database.journal.clone();
        writers.push(tokio::spawn(async move {
            let mut appender = journal.appender().await.expect("the journal answers");
            let mut won = Vec::new();
            for seq in 1..=30 {
                match appender.append(&[entry(0, seq, epoch)]).await {
                    Appended::Committed => won.push((seq, epoch)),
                    Appended::Duplicate => {}
                    other => panic!("neither won nor lost: {other:?}"),
                }
            }
            won
        }));
    }
    let mut won = Vec::new();
    for writer in writers {
        won.extend(writer.await.expect("a writer does not panic"));
    }
    won.sort_unstable();
    let kept: Vec<(u64, u64)> =
        whole(&*database.journal, 0).await.iter().map(|e| (e.seq, e.epoch)).collect();
    assert_eq!(won, kept, "each number has one writer, who knows it");
    assert_eq!(kept.len(), 30);
}

async fn an_impossible_append_is_refused(database: TestDatabase) {
    let mut appender = database.journal.appender().await.expect("the journal answers");
    let many = run_of(0, 1..=ENTRIES_PER_APPEND_MAX as u64 + 1, 1);
    assert!(matches!(appender.append(&many).await, Appended::Refused(_)));
    assert!(matches!(appender.append(&[]).await, Appended::Refused(_)));
    assert!(whole(&*database.journal, 0).await.is_empty());
}

async fn pages_are_bounded_in_rows(database: TestDatabase) {
    let written = run_of(0, 1..=100, 1);
    commit(&*database.journal, &written).await;
    for rows in [1_u32, 15, 16, 17, 40, 100, 101] {
        let limit = PageLimit { rows, bytes: usize::MAX };
        let page = database.journal.read_shard(0, 0, u64::MAX, limit).await.expect("a page");
        assert_eq!(page, written[..written.len().min(rows as usize)], "{rows} rows");
        let rest = database.journal.read_shard(0, 90, u64::MAX, limit).await.expect("a page");
        assert_eq!(rest, written[90..][..10.min(rows as usize)], "{rows} rows after 90");
    }
}

async fn pages_are_bounded_in_bytes(database: TestDatabase) {
    // Light entries first, so that the average misleads about what follows.
    let mut written = run_of(0, 1..=60, 1);
    for entry in &mut written[30..] {
        entry.events = events(1, &"y".repeat(50_000));
    }
    commit(&*database.journal, &written).await;

    let mut read: Vec<Entry> = Vec::new();
    let limit = PageLimit { rows: 1_024, bytes: 200_000 };
    while let after = read.last().map_or(0, |entry| entry.seq)
        && after < 60
    {
        let page = database.journal.read_shard(0, after, u64::MAX, limit).await.expect("a page");
        let weight: usize = page.iter().map(Entry::weight).sum();
        assert!(weight <= limit.bytes, "{weight} bytes in a page");
        // The page is as full as it may be: what follows would not fit.
        if let Some(next) = written.get(read.len() + page.len()) {
            assert!(weight + next.weight() > limit.bytes, "{weight} bytes, and more would fit");
        }
        read.extend(page);
    }
    assert_eq!(read, written);
}

async fn a_page_holds_one_entry_however_large(database: TestDatabase) {
    let mut written = run_of(0, 1..=3, 1);
    for entry in &mut written {
        entry.events = events(1, &"z".repeat(1 << 20));
    }
    for entry in &written {
        commit(&*database.journal, std::slice::from_ref(entry)).await;
    }
    let limit = PageLimit { rows: 1_024, bytes: 1 };
    for after in 0..3_u64 {
        let page = database.journal.read_shard(0, after, u64::MAX, limit).await.expect("a page");
        assert_eq!(page.len(), 1);
        assert!(page[0] == written[usize::try_from(after).expect("small")], "entry {after}");
    }
    assert!(database.journal.read_shard(0, 3, u64::MAX, limit).await.expect("a page").is_empty());
}

async fn a_shard_is_read_up_to_a_number(database: TestDatabase) {
    let written = run_of(0, 1..=20, 1);
    commit(&*database.journal, &written).await;
    commit(&*database.journal, &run_of(1, 1..=20, 1)).await;
    let page = database.journal.read_shard(0, 3, 9, PageLimit::default()).await.expect("a page");
    assert_eq!(page, written[3..9]);
    let none = database.journal.read_shard(0, 9, 9, PageLimit::default()).await.expect("a page");
    assert!(none.is_empty());
}

/// Entries of one aggregate of 1, 2, 3, … events, between those of others.
fn history(entries: u64) -> (Uuid, Vec<Entry>) {
    let id = Uuid::new_v4();
    let mut version = 1;
    let mut history = Vec::new();
    for index in 1..=entries {
        let mut own = entry(0, index * 2, 1);
        own.aggregate_id = id;
        own.version = version;
        own.count = u32::try_from(index).expect("small");
        own.events = events(own.count, "v");
        version += index;
        history.push(entry(0, index * 2 - 1, 1));
        history.push(own);
    }
    (id, history)
}

async fn an_aggregate_is_read_from_the_entry_that_straddles(database: TestDatabase) {
    // Versions 1, 2–3, 4–6, 7–10, 11–15.
    let (id, written) = history(5);
    commit(&*database.journal, &written).await;
    for (from, to, expected) in [
        (0, u64::MAX, 0..5),
        (1, u64::MAX, 0..5),
        (2, u64::MAX, 1..5),
        (3, u64::MAX, 1..5),
        (4, u64::MAX, 2..5),
        (15, u64::MAX, 4..5),
        (16, u64::MAX, 5..5),
        (u64::MAX, u64::MAX, 5..5),
        (5, 6, 2..3),
        (3, 10, 1..4),
        (3, 7, 1..4),
    ] {
        let page = database
            .journal
            .read_aggregate("order", id, from, to, PageLimit::default())
            .await
            .expect("a page");
        let own: Vec<&Entry> = written.iter().filter(|e| e.aggregate_id == id).collect();
        assert_eq!(page.iter().collect::<Vec<_>>(), own[expected], "from {from} to {to}");
    }
    let of = |id| ("order", id);
    let names: Vec<LogName<'_>> = (0..64).map(|_| of(Uuid::new_v4())).collect();
    for (at, many) in [(0, 1), (1, 2), (40, 64)] {
        let mut names = names[..many].to_vec();
        names[at] = of(id);
        let mut expected = vec![0; many];
        expected[at] = 15;
        assert_eq!(database.journal.last_versions(&names).await.expect("an answer"), expected);
    }
}

async fn an_aggregate_is_read_in_pages(database: TestDatabase) {
    let (id, written) = history(40);
    commit(&*database.journal, &written).await;
    let mut read: Vec<Entry> = Vec::new();
    let limit = PageLimit { rows: 7, bytes: usize::MAX };
    loop {
        let from = read.last().map_or(1, |entry| entry.last_version() + 1);
        let page = database
            .journal
            .read_aggregate("order", id, from, u64::MAX, limit)
            .await
            .expect("a page");
        assert!(page.len() <= 7);
        if page.is_empty() {
            break;
        }
        read.extend(page);
    }
    let own: Vec<Entry> = written.into_iter().filter(|e| e.aggregate_id == id).collect();
    assert_eq!(read, own);
}

async fn logs_are_read_together(database: TestDatabase) {
    let (id, written) = history(5);
    let (other, mut others) = history(3);
    for entry in &mut others {
        entry.shard = 1;
    }
    commit(&*database.journal, &written).await;
    commit(&*database.journal, &others).await;
    let own = |id| written.iter().chain(&others).filter(move |entry| entry.aggregate_id == id);
    let ids = [other, Uuid::new_v4(), id];
    // The entry that straddles the last version is there, and nothing behind it.
    for (through, first, second) in [(u64::MAX, 3, 5), (1, 1, 1), (4, 3, 3), (6, 3, 3), (7, 3, 4)] {
        let logs = database.journal.read_logs("order", &ids, through).await.expect("an answer");
        let expected = vec![
            own(other).take(first).cloned().collect(),
            Vec::new(),
            own(id).take(second).cloned().collect(),
        ];
        assert_eq!(logs, Some(expected), "through {through}");
    }
    let none = database.journal.read_logs("calendar", &ids, u64::MAX).await.expect("an answer");
    assert_eq!(none, Some(vec![Vec::new(); 3]), "of another kind");
    for many in [1, 2, 8, 9, 100, LOGS_READ_AT_ONCE_MAX] {
        let mut ids: Vec<Uuid> = (1..many).map(|_| Uuid::new_v4()).collect();
        ids.push(id);
        let logs = database.journal.read_logs("order", &ids, u64::MAX).await.expect("an answer");
        let logs = logs.expect("little");
        assert_eq!((logs.len(), logs.last().map(Vec::len)), (many, Some(5)), "of {many}");
    }
    let mut heavy = run_of(2, 1..=3, 1);
    for entry in &mut heavy {
        entry.events = format!("[\"{}\"]", "x".repeat(LOGS_READ_AT_ONCE_BYTES / 2));
    }
    let ids: Vec<Uuid> = heavy.iter().map(|entry| entry.aggregate_id).collect();
    for entry in &heavy {
        commit(&*database.journal, std::slice::from_ref(entry)).await;
    }
    let logs = database.journal.read_logs("order", &ids, u64::MAX).await.expect("an answer");
    assert_eq!(logs, None, "too much at once");
    let logs = database.journal.read_logs("order", &ids[..1], u64::MAX).await.expect("an answer");
    assert_eq!(logs, Some(vec![heavy[..1].to_vec()]), "and the connection is good");
}

async fn aggregates_do_not_see_each_other(database: TestDatabase) {
    // The same id in two kinds, and kinds whose names differ in case and in a space at the end.
    let id = Uuid::new_v4();
    let mut written = run_of(0, 1..=4, 1);
    for (entry, kind) in written.iter_mut().zip(["order", "calendar", "Order", "order_line"]) {
        entry.aggregate_id = id;
        entry.aggregate_type = kind.into();
    }
    commit(&*database.journal, &written).await;
    for entry in &written {
        let page = database
            .journal
            .read_aggregate(&entry.aggregate_type, id, 1, u64::MAX, PageLimit::default())
            .await
            .expect("a page");
        assert_eq!(page, std::slice::from_ref(entry));
    }
    let names: Vec<LogName<'_>> =
        written.iter().map(|entry| (&*entry.aggregate_type, id)).collect();
    let last: Vec<u64> = written.iter().map(Entry::last_version).collect();
    assert_eq!(database.journal.last_versions(&names).await.expect("versions"), last);
}

async fn large_payloads_are_whole_or_absent(database: TestDatabase) {
    for (shard, size) in [(0, 1 << 20), (1, 16 << 20), (2, 70 << 20)] {
        let mut appender = database.journal.appender().await.expect("the journal answers");
        let mut large = entry(shard, 1, 1);
        large.events = events(1, &"ü".repeat(size / 2));
        let outcome = appender.append(std::slice::from_ref(&large)).await;
        let kept = whole(&*database.journal, shard).await;
        match outcome {
            Appended::Committed => assert!(kept == [large], "{size} bytes came back changed"),
            Appended::Refused(_) if size > 1 << 20 => assert!(kept.is_empty(), "{size} bytes"),
            other => panic!("{size} bytes: {other:?}"),
        }
        // Either way the lane goes on.
        let next = kept.len() as u64 + 1;
        assert_eq!(appender.append(&[entry(shard, next, 1)]).await, Appended::Committed);
    }
}

async fn heads_are_the_last_numbers(database: TestDatabase) {
    commit(&*database.journal, &run_of(2, 1..=5, 1)).await;
    commit(&*database.journal, &run_of(0, 1..=9, 1)).await;
    let heads = database.journal.heads(&[2, 1, 0]).await.expect("the journal answers");
    assert_eq!(heads, [(2, 5), (1, 0), (0, 9)], "in the order asked for");
    assert!(database.journal.heads(&[]).await.expect("the journal answers").is_empty());
}

async fn a_second_count_of_shards_is_refused(database: TestDatabase) {
    let count = crate::support::database::SHARDS;
    database.journal.prepare(count).await.expect("the same count again");
    for other in [0, 1, count - 1, count + 1] {
        let error = database.journal.prepare(other).await.expect_err("another count");
        let told = chain(&error).to_string();
        assert!(told.contains(&count.to_string()), "{told}");
    }
}

async fn operators_see_a_row_per_event(database: TestDatabase) {
    let mut written = entry(3, 1, 2);
    written.aggregate_id = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
    written.version = 5;
    written.count = 3;
    written.events = r#"[{"type":"Placed","data":{"total":7},"meta":{"by":"user:1"}},{"schema":3,"type":"Confirmed","data":{"note":"🛒"},"meta":{"by":"client:x"}},{"type":"Sent","of":1}]"#.to_owned();
    commit(&*database.journal, &[written]).await;
    let mut operator = database.location.operator().await;
    let rows = operator
        .texts(
            "SELECT CONCAT(shard, ' ', seq, ' ', event_index, ' ', epoch, ' ', aggregate_type, \
             ' ', aggregate_id, ' ', version, ' ', event_type, ' ', event_schema, ' ', \
             recorded_at) FROM events ORDER BY seq, event_index",
        )
        .await;
    assert_eq!(
        rows,
        [
            "3 1 0 2 order 01234567-89ab-cdef-0123-456789abcdef 5 Placed 1 \
             2023-11-14T22:13:20.123456Z",
            "3 1 1 2 order 01234567-89ab-cdef-0123-456789abcdef 6 Confirmed 3 \
             2023-11-14T22:13:20.123456Z",
            "3 1 2 2 order 01234567-89ab-cdef-0123-456789abcdef 7 Sent 1 \
             2023-11-14T22:13:20.123456Z",
        ]
    );
    let notes = operator.texts("SELECT CAST(data AS CHAR) FROM events WHERE version = 6").await;
    assert_eq!(notes[0].replace(' ', ""), r#"{"note":"🛒"}"#);
    let data = operator.texts("SELECT CAST(data AS CHAR) FROM events WHERE version = 7").await;
    assert_eq!(data, ["{}"]);
    let said = operator.texts("SELECT CAST(meta AS CHAR) FROM events ORDER BY version").await;
    let said: Vec<String> = said.iter().map(|meta| meta.replace(' ', "")).collect();
    let (user, client) = (r#"{"by":"user:1"}"#, r#"{"by":"client:x"}"#);
    assert_eq!(said, [user, client, client], "each event has what was said of its command");
}

/// One entry after another is damaged in one column; reading it says which entry that is.
async fn a_changed_byte_of_any_column_is_found(database: TestDatabase) {
    let damages = [
        ("shard = 4", 4, 1),
        ("seq = 2", 3, 2),
        ("epoch = 3", 3, 1),
        ("attempt = attempt + 1", 3, 1),
        ("aggregate_type = 'ordes'", 3, 1),
        ("aggregate_id = x'0123456789abcdef0123456789abcdee'", 3, 1),
        ("version = version + 1", 3, 1),
        ("count = count + 1", 3, 1),
        ("events = replace(events, 'x', 'y')", 3, 1),
        ("recorded_us = recorded_us + 1", 3, 1),
        ("crc = crc - 1", 3, 1),
    ];
    let mut operator = database.location.operator().await;
    for (damage, shard, seq) in damages {
        operator.execute("DELETE FROM journal").await;
        commit(&*database.journal, &[entry(3, 1, 2)]).await;
        let sound = database.journal.read_shard(3, 0, 9, PageLimit::default()).await;
        assert_eq!(sound.expect("it is what was written").len(), 1);
        let damage = damage.replace("count", "`count`");
        operator.execute(&format!("UPDATE journal SET {damage}")).await;
        let read = database.journal.read_shard(shard, 0, 9, PageLimit::default()).await;
        let error = read.expect_err("it is not what was written");
        let told = chain(&error).to_string();
        assert!(matches!(error, JournalError::Corrupt(_)), "{damage}: {told}");
        assert!(told.contains(&format!("entry {seq} of shard {shard}")), "{damage}: {told}");
    }
}
