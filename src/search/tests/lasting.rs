//! What stays: after a commit, after a crash, and where the files are not what they should be.

use std::fs;

use domain::products::product::Event;
use tempfile::TempDir;

use crate::language::Language;
use crate::row::{At, Taken};
use crate::schema::PLANTED_PANIC;
use crate::testing::{closed, finds, goods, happens, home, id, row};

/// What became of a folder, and how.
type Spoiled = (&'static str, fn(&TempDir));

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn a_commit_is_found_again_with_its_place_and_what_came_behind_it_is_not() {
    let folder = folder();
    closed(&folder, &[row(1, goods("Cup", "S-1"))], "here");
    let home = home(Some(folder.path()));
    let (index, place) = home.open::<String>().expect("an index");
    assert_eq!(place.as_deref(), Some("here"));
    index.apply(&[row(2, goods("Jug", "S-2"))]).expect("it is written");
    finds(&index.catalogue().expect("it is read"), "jug", &[]);
    drop(index);
    let (index, place) = home.open::<String>().expect("an index");
    assert_eq!(place.as_deref(), Some("here"));
    let catalogue = index.catalogue().expect("it is read");
    finds(&catalogue, "cup", &["Cup"]);
    finds(&catalogue, "jug", &[]);
}

#[test]
fn a_row_is_replaced_and_one_who_reads_sees_one_moment() {
    let folder = folder();
    let (index, _) = home(Some(folder.path())).open::<String>().expect("an index");
    let cup = row(1, goods("Cup", "S-1"));
    index.apply([&cup]).expect("it is written");
    let before = index.commit(&"a").expect("it is committed");
    assert_eq!(before.row(id(1)).expect("it is read"), Some(cup.clone()));
    let event = Event::ProductRevised {
        name: "Mug".to_owned(),
        family: "Things".to_owned(),
        description: String::new(),
    };
    let mug = happens(Some(cup), 1, [event]);
    index.apply([&mug]).expect("it is written");
    let after = index.commit(&"b").expect("it is committed");
    finds(&before, "cup", &["Cup"]);
    finds(&after, "cup", &[]);
    finds(&after, "mug", &["Mug"]);
    assert_eq!(after.row(id(1)).expect("it is read"), Some(mug));
    assert_eq!((after.products(), after.row(id(2)).expect("it is read")), (1, None));
}

#[test]
fn only_the_next_event_changes_a_row() {
    let cup = row(1, goods("Cup", "S-1"));
    let mut again = cup.clone();
    let mut take = |version| {
        let at = At { id: id(1), version, shard: 1, seq: 9, recorded_us: 9 };
        again.take(at, &Event::ProductArchived {})
    };
    assert_eq!([take(4), take(6)], [Taken::Before, Taken::Gap]);
    assert_eq!(again, cup);
}

#[test]
fn a_row_that_cannot_be_indexed_is_named_and_the_others_are_found() {
    let index = home(None).begin().expect("an index");
    let rows = [row(1, goods("Cup", "S-1")), row(2, goods(PLANTED_PANIC, "S-2"))];
    let unfit = index.apply(&rows).expect("it is written");
    assert_eq!(unfit, [(id(2), "it panicked".to_owned())]);
    finds(&index.commit(&()).expect("it is committed"), "", &["Cup"]);
}

#[test]
fn what_is_damaged_or_of_another_is_begun_anew() {
    let spoil: [Spoiled; 7] = [
        ("nothing", |_| {}),
        ("a flipped bit", |folder| change(folder, ".store", |bytes| bytes[20] ^= 1)),
        ("a file that is gone", |folder| {
            fs::remove_file(file(folder, ".term")).expect("it is removed");
        }),
        ("a file that is cut", |folder| {
            change(folder, ".fast", |bytes| bytes.truncate(bytes.len() / 2));
        }),
        ("words of a few bytes", |folder| {
            change(folder, ".term", |bytes| *bytes = b"spoiled".to_vec());
        }),
        ("rows without a byte", |folder| change(folder, ".store", Vec::clear)),
        ("no JSON", |folder| change(folder, "meta.json", |bytes| bytes[0] = b'x')),
    ];
    for (what, spoil) in spoil {
        let folder = folder();
        closed(&folder, &[row(1, goods("Cup", "S-1"))], "here");
        spoil(&folder);
        let (index, place) = home(Some(folder.path())).open::<String>().expect(what);
        assert_eq!(place.is_some(), what == "nothing", "{what}");
        index.apply(&[row(1, goods("Cup", "S-1"))]).expect(what);
        finds(&index.commit(&"there").expect(what), "cup", &["Cup"]);
    }
}

#[test]
fn another_installation_and_other_languages_begin_anew() {
    let folder = folder();
    closed(&folder, &[row(1, goods("Cup", "S-1"))], "here");
    let mut other = home(Some(folder.path()));
    other.installation = "two".to_owned();
    let (index, place) = other.open::<String>().expect("an index");
    assert_eq!((place, index.catalogue().expect("it is read").products()), (None, 0));
    index.commit(&"there").expect("it is committed");
    drop(index);
    other.languages.push(Language::French);
    let (_, place) = other.open::<String>().expect("an index");
    assert_eq!(place, None);
}

/// The file of the index whose name ends so.
fn file(folder: &TempDir, end: &str) -> std::path::PathBuf {
    let files = fs::read_dir(folder.path().join("search")).expect("a folder");
    let mut files = files.map(|file| file.expect("a file").path());
    files.find(|path| path.to_string_lossy().ends_with(end)).expect("there is one")
}

fn change(folder: &TempDir, end: &str, change: fn(&mut Vec<u8>)) {
    let file = file(folder, end);
    let mut bytes = fs::read(&file).expect("it is read");
    change(&mut bytes);
    fs::write(&file, bytes).expect("it is written");
}
