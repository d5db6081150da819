//! Calendars through the API.

use serde_json::{Value, json};

use crate::support::app::TestApp;

async fn calendar(app: &TestApp, within_opening_hours: bool) -> String {
    let input = json!({"name": "Fitting room", "timeZone": "Europe/Berlin",
        "availability": {"kind": "EXCLUSIVE"}, "withinOpeningHours": within_opening_hours});
    let payload = app.done("createCalendar", input, "calendar { id timeZone capacity }").await;
    assert_eq!(payload["calendar"]["timeZone"], "Europe/Berlin");
    payload["calendar"]["id"].as_str().expect("an id").to_owned()
}

fn event(calendar: &str, start: &str, minutes: u32, key: &str) -> Value {
    json!({"calendarId": calendar, "title": "Fitting", "idempotencyKey": key,
           "timing": {"start": start, "length": {"duration": format!("PT{minutes}M")}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusive_calendar_is_never_booked_twice() {
    let app = TestApp::start().await;
    let room = calendar(&app, false).await;
    let booked =
        app.done("scheduleEvent", event(&room, "2026-03-02T09:00", 60, "a"), "eventId").await;
    let error = app.refused("scheduleEvent", event(&room, "2026-03-02T09:59", 60, "b")).await;
    assert_eq!(error["__typename"], "SlotTaken");
    assert_eq!(error["by"], booked["eventId"]);
    app.done("scheduleEvent", event(&room, "2026-03-02T10:00", 30, "c"), "").await;
    let query = "query($id: ID!) { freeBusy(calendarId: $id, start: \"2026-03-02T00:00:00Z\", end: \"2026-03-03T00:00:00Z\") {
        timeZone busy { start end } position } }";
    let data = app.data(query, json!({"id": room})).await;
    let busy = json!([{"start": "2026-03-02T08:00:00Z", "end": "2026-03-02T09:30:00Z"}]);
    assert_eq!(data["freeBusy"]["busy"], busy);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_hours_bound_what_may_be_booked() {
    let app = TestApp::start().await;
    let room = calendar(&app, true).await;
    let error = app.refused("scheduleEvent", event(&room, "2026-03-02T09:00", 60, "a")).await;
    assert_eq!(error["code"], "SLOT_OUTSIDE_OPENING_HOURS");
    let days = json!([{"weekday": "MONDAY", "spans": [{"opens": 540, "closes": 1020}]}]);
    let selection = "calendar { openingHours { weekday spans { opens closes } } }";
    let payload =
        app.done("setOpeningHours", json!({"calendarId": room, "days": days}), selection).await;
    assert_eq!(payload["calendar"]["openingHours"], days);
    app.done("scheduleEvent", event(&room, "2026-03-02T09:00", 60, "a"), "").await;
    let closed = json!({"calendarId": room, "date": "2026-03-09", "spans": []});
    app.done("setOpeningException", closed, "").await;
    let error = app.refused("scheduleEvent", event(&room, "2026-03-09T09:00", 60, "b")).await;
    assert_eq!(error["code"], "SLOT_OUTSIDE_OPENING_HOURS");
    app.done("clearOpeningException", json!({"calendarId": room, "date": "2026-03-09"}), "").await;
    app.done("scheduleEvent", event(&room, "2026-03-09T09:00", 60, "b"), "").await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_keeps_local_time_and_its_occurrences_change_alone() {
    let app = TestApp::start().await;
    let room = calendar(&app, false).await;
    let mut weekly = event(&room, "2026-03-23T09:00", 60, "s");
    weekly["timing"]["recurrence"] = json!({"rule": "FREQ=WEEKLY;COUNT=3"});
    let series = app.done("scheduleEvent", weekly, "eventId").await["eventId"].take();
    let one = |recurrence: &str| json!({"calendarId": room, "eventId": series, "recurrenceId": recurrence});
    app.done("cancelOccurrence", one("2026-04-06T09:00"), "").await;
    let mut moved = one("2026-03-30T09:00");
    moved["start"] = json!("2026-03-30T11:00");
    moved["length"] = json!({"until": "2026-03-30T11:30"});
    moved["title"] = json!("Late fitting");
    app.done("replaceOccurrence", moved, "").await;
    let query = "query($id: ID!) { calendarEvents(calendarId: $id, start: \"2026-03-01T00:00:00Z\", end: \"2026-05-01T00:00:00Z\") {
        occurrences { title start localStart recurrenceId } hasMore } }";
    let data = app.data(query, json!({"id": room})).await;
    // The clocks go forward in between.
    let expected = json!([
        {"title": "Fitting", "start": "2026-03-23T08:00:00Z", "localStart": "2026-03-23T09:00:00",
         "recurrenceId": "2026-03-23T09:00:00"},
        {"title": "Late fitting", "start": "2026-03-30T09:00:00Z", "localStart": "2026-03-30T11:00:00",
         "recurrenceId": "2026-03-30T09:00:00"},
    ]);
    assert_eq!(data["calendarEvents"]["occurrences"], expected);
    assert_eq!(
        app.refused("cancelOccurrence", one("2026-03-24T09:00")).await["code"],
        "OCCURRENCE_NOT_FOUND"
    );
    let timing = json!({"start": "2026-06-01T09:00", "length": {"duration": "PT1H"}});
    app.done(
        "rescheduleEvent",
        json!({"calendarId": room, "eventId": series, "timing": timing}),
        "",
    )
    .await;
    app.done("retitleEvent", json!({"calendarId": room, "eventId": series, "title": "Once"}), "")
        .await;
    let query = "query($id: ID!, $event: ID!) { calendar(id: $id) { eventCount event(id: $event) { title start isSeries sequence } } }";
    let data = app.data(query, json!({"id": room, "event": series})).await;
    assert_eq!(data["calendar"]["event"]["title"], "Once");
    assert_eq!(data["calendar"]["event"]["isSeries"], false);
    app.done("cancelEvent", json!({"calendarId": room, "eventId": series}), "").await;
    let error = app.refused("cancelEvent", json!({"calendarId": room, "eventId": series})).await;
    assert_eq!(error["code"], "EVENT_NOT_FOUND");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn times_that_cannot_be_are_refused() {
    let app = TestApp::start().await;
    let room = calendar(&app, false).await;
    let mut skipped = event(&room, "2026-03-29T02:30", 60, "a");
    skipped["timing"]["nonexistent"] = json!("SKIP");
    assert_eq!(app.refused("scheduleEvent", skipped).await["code"], "LOCAL_TIME_NONEXISTENT");
    for (start, minutes, code) in [
        ("1969-12-31T23:59", 60, "INVALID_TIME"),
        ("2026-03-02T09:00:01", 60, "INVALID_TIME"),
        ("2026-03-02T09:00", 0, "INVALID_DURATION"),
        ("2026-03-02T09:00", 44_641, "INVALID_DURATION"),
    ] {
        let error = app.refused("scheduleEvent", event(&room, start, minutes, "b")).await;
        assert_eq!(error["code"], code, "{start} {minutes}");
    }
    let mut far = event(&room, "2026-03-02T09:00", 60, "c");
    far["timing"]["recurrence"] = json!({"rule": "FREQ=DAILY;COUNT=100000"});
    assert_eq!(app.refused("scheduleEvent", far).await["code"], "RECURRENCE_TOO_LONG");
    for rule in ["FREQ=SECONDLY", "FREQ=WEEKLY;COUNT=1;UNTIL=20270101", "x"] {
        let mut series = event(&room, "2026-03-02T09:00", 60, "c");
        series["timing"]["recurrence"] = json!({"rule": rule});
        assert_eq!(
            app.refused("scheduleEvent", series).await["code"],
            "INVALID_RECURRENCE",
            "{rule}"
        );
    }
    let query = "query($id: ID!) { freeBusy(calendarId: $id, start: \"2026-03-02T00:00:00Z\", end: \"2030-03-03T00:00:00Z\") { position } }";
    let reply = app.reply(query, json!({"id": room})).await;
    assert_eq!(reply["errors"][0]["extensions"]["code"], "INVALID_RANGE");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn days_are_nominal_and_hours_are_exact() {
    let app = TestApp::start().await;
    let room = calendar(&app, false).await;
    let lasting = |start: &str, length: Value, key: &str| {
        let mut event = event(&room, start, 0, key);
        event["timing"]["length"] = length;
        event
    };
    let two_days = lasting("2027-10-30T00:00", json!({"duration": "P2D"}), "a");
    let booked = app.done("scheduleEvent", two_days, "eventId").await;
    // the night has an hour more, and belongs to the booking
    let error = app.refused("scheduleEvent", event(&room, "2027-10-31T23:30", 30, "b")).await;
    assert_eq!((&error["code"], &error["by"]), (&json!("SLOT_TAKEN"), &booked["eventId"]));
    app.done("scheduleEvent", event(&room, "2027-11-01T00:00", 30, "c"), "").await;
    // every day for a day, across the night with an hour less
    let mut daily = lasting("2027-03-26T00:00", json!({"duration": "P1D"}), "d");
    daily["timing"]["recurrence"] = json!({"rule": "FREQ=DAILY;COUNT=5"});
    app.done("scheduleEvent", daily, "").await;
    // for 24 hours that is not possible, and the refusal says where, and names no event
    let mut daily = lasting("2028-03-25T00:00", json!({"duration": "PT24H"}), "e");
    daily["timing"]["recurrence"] = json!({"rule": "FREQ=DAILY;COUNT=5"});
    let error = app.refused("scheduleEvent", daily).await;
    assert_eq!(error["code"], "SERIES_CONFLICT");
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("2028-03-27T00:00"), "{message}");
    // an end in the hour that comes twice is the first of both, like a start
    let ends = lasting("2027-10-31T02:15", json!({"until": "2027-10-31T02:45"}), "f");
    let other = calendar(&app, false).await;
    let mut ends = ends;
    ends["calendarId"] = json!(other);
    ends["timing"]["recurrence"] = json!({"rule": "FREQ=WEEKLY;COUNT=2"});
    let series = app.done("scheduleEvent", ends, "eventId").await["eventId"].take();
    let query = "query($id: ID!, $event: ID!) { calendar(id: $id) { event(id: $event) { length recursUntil } } }";
    let data = app.data(query, json!({"id": other, "event": series})).await;
    let event = json!({"length": "PT30M", "recursUntil": "2027-11-07T02:15:00"});
    assert_eq!(data["calendar"]["event"], event);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_without_an_end_goes_on_and_refusals_say_which_occurrence() {
    let app = TestApp::start().await;
    let room = calendar(&app, false).await;
    let mut daily = event(&room, "2027-01-01T09:00", 60, "a");
    daily["timing"]["recurrence"] = json!({"rule": "FREQ=DAILY"});
    let series = app.done("scheduleEvent", daily, "eventId").await["eventId"].take();
    for day in ["2027-01-02", "2030-06-01", "2100-02-28", "2199-12-31"] {
        let late = event(&room, &format!("{day}T09:30"), 60, day);
        let error = app.refused("scheduleEvent", late).await;
        assert_eq!((&error["code"], &error["by"]), (&json!("SLOT_TAKEN"), &series), "{day}");
    }
    app.done("scheduleEvent", event(&room, "2030-06-03T10:30", 30, "b"), "").await;
    let mut weekly = event(&room, "2027-01-04T10:00", 60, "c");
    weekly["timing"]["recurrence"] = json!({"rule": "FREQ=WEEKLY"});
    let message = app.refused("scheduleEvent", weekly).await["message"].take();
    let message = message.as_str().expect("a message");
    assert!(message.contains("the occurrence of 2030-06-03T10:00"), "{message}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hours_across_midnight_say_how_to_write_them_and_where_they_stand() {
    let app = TestApp::start().await;
    let room = calendar(&app, true).await;
    let days = json!([
        {"weekday": "MONDAY", "spans": [{"opens": 540, "closes": 1020}]},
        {"weekday": "FRIDAY", "spans": [{"opens": 540, "closes": 600}, {"opens": 1320, "closes": 120}]},
    ]);
    let error = app.refused("setOpeningHours", json!({"calendarId": room, "days": days})).await;
    assert_eq!(error["code"], "INVALID_OPENING_HOURS");
    assert_eq!(error["path"], json!(["input", "days", "1", "spans", "1"]));
    assert!(error["message"].as_str().expect("a message").contains("1320 to 1440"), "{error}");
    let exception =
        json!({"calendarId": room, "date": "2026-03-09", "spans": [{"opens": 0, "closes": 1441}]});
    let error = app.refused("setOpeningException", exception).await;
    assert_eq!(error["path"], json!(["input", "spans", "0"]));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_place_is_listed_by_pages_also_where_all_begins_at_once() {
    let app = TestApp::start().await;
    let input = json!({"name": "Hall", "timeZone": "UTC", "availability": {"kind": "UNLIMITED"}});
    let hall = app.done("createCalendar", input, "calendar { id }").await["calendar"]["id"].take();
    let hall = hall.as_str().expect("an id");
    for number in 0..25 {
        app.done("scheduleEvent", event(hall, "2027-01-04T09:00", 60, &format!("{number}")), "")
            .await;
    }
    let mut series = event(hall, "2027-01-01T23:30", 60, "s");
    series["timing"]["recurrence"] = json!({"rule": "FREQ=DAILY;COUNT=6"});
    app.done("scheduleEvent", series, "").await;
    let query = "query($id: ID!, $after: String) { calendarEvents(calendarId: $id, start: \"2027-01-02T00:00:00Z\",
        end: \"2027-06-01T00:00:00Z\", first: 10, after: $after) {
        edges { cursor node { eventId recurrenceId start } } occurrences { start } hasMore
        pageInfo { hasNextPage hasPreviousPage endCursor } } }";
    let (mut after, mut seen) = (Value::Null, vec![]);
    loop {
        let mut data = app.data(query, json!({"id": hall, "after": after})).await;
        let page = data["calendarEvents"].take();
        assert_eq!(page["pageInfo"]["hasPreviousPage"], json!(!after.is_null()));
        let edges = page["edges"].as_array().expect("edges").clone();
        assert_eq!(page["occurrences"].as_array().expect("a list").len(), edges.len());
        assert_eq!(page["pageInfo"]["endCursor"], edges.last().expect("an edge")["cursor"]);
        seen.extend(edges.into_iter().map(|mut edge| edge["node"].take()));
        if page["hasMore"] == json!(false) {
            break;
        }
        assert_eq!(seen.len() % 10, 0);
        after = page["pageInfo"]["endCursor"].clone();
    }
    // the one that began the night before comes first, and each comes once
    assert_eq!(seen.len(), 31);
    assert_eq!(seen[0]["start"], "2027-01-01T23:30:00Z");
    let starts: Vec<&str> = seen.iter().filter_map(|node| node["start"].as_str()).collect();
    assert!(starts.is_sorted());
    let names: std::collections::HashSet<String> = seen.iter().map(Value::to_string).collect();
    assert_eq!(names.len(), 31);
    let reply = app.reply(query, json!({"id": hall, "after": "nonsense"})).await;
    assert_eq!(reply["errors"][0]["extensions"]["code"], "INVALID_CURSOR");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calendars_and_their_events_are_listed() {
    let app = TestApp::start().await;
    let room = calendar(&app, false).await;
    let other =
        json!({"name": "atelier", "timeZone": "UTC", "availability": {"kind": "UNLIMITED"}});
    let other = app.done("createCalendar", other, "calendar { id }").await["calendar"]["id"].take();
    let other = other.as_str().expect("an id");
    app.done("scheduleEvent", event(&room, "2026-03-02T09:00", 60, "a"), "eventId").await;
    let mut weekly = event(other, "2026-03-01T09:00", 60, "s");
    weekly["timing"]["recurrence"] = json!({"rule": "FREQ=WEEKLY;COUNT=3"});
    app.done("scheduleEvent", weekly, "").await;
    let mut endless = event(other, "2026-03-03T09:00", 60, "e");
    endless["timing"]["recurrence"] = json!({"rule": "FREQ=WEEKLY"});
    app.done("scheduleEvent", endless, "").await;
    let off = app.done("scheduleEvent", event(&room, "2026-03-04T09:00", 60, "c"), "eventId").await;
    let cancel = json!({"calendarId": room, "eventId": off["eventId"]});
    let position = app.done("cancelEvent", cancel, "position").await["position"].take();

    let names = async |arguments: &str| {
        let query = format!(
            "query($at: Position) {{ calendars(atLeast: $at{arguments}) {{ edges {{ node {{ name }} }} }} }}"
        );
        let data = app.data(&query, json!({"at": position})).await;
        let edges = data["calendars"]["edges"].as_array().expect("edges").clone();
        edges.into_iter().map(|edge| edge["node"]["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names("").await, ["atelier", "Fitting room"]);
    assert_eq!(names(", where: {name: {startsWith: \"FIT\"}}").await, ["Fitting room"]);
    let newest = ", orderBy: {field: CREATED_AT, direction: DESCENDING}, first: 1";
    assert_eq!(names(newest).await, ["atelier"]);

    let events = async |arguments: &str| {
        let query = format!(
            "query($at: Position) {{ events(atLeast: $at{arguments}) {{ edges {{ node {{
                startsAt endsAt isSeries state calendarId title }} }} }} }}"
        );
        let data = app.data(&query, json!({"at": position})).await;
        let edges = data["events"]["edges"].as_array().expect("edges").clone();
        edges.into_iter().map(|mut edge| edge["node"].take()).collect::<Vec<_>>()
    };
    let starts = |events: &[Value]| {
        events
            .iter()
            .map(|event| event["startsAt"].as_str().unwrap_or("-")[8..10].to_owned())
            .collect::<Vec<_>>()
    };
    let all = events("").await;
    assert_eq!(starts(&all), ["01", "02", "03", "04"]);
    let series = json!({"startsAt": "2026-03-01T09:00:00Z", "endsAt": "2026-03-15T10:00:00Z",
        "isSeries": true, "state": "SCHEDULED", "calendarId": other, "title": "Fitting"});
    assert_eq!(all[0], series);
    assert_eq!(all[2]["endsAt"], json!(null));
    assert_eq!(all[3]["state"], "CANCELLED");
    let filter = format!(", where: {{calendarId: {{eq: \"{room}\"}}, state: {{eq: SCHEDULED}}}}");
    assert_eq!(starts(&events(&filter).await), ["02"]);
    let within =
        ", where: {startsAt: {from: \"2026-03-02T00:00:00Z\", before: \"2026-03-03T00:00:00Z\"}}";
    assert_eq!(starts(&events(within).await), ["02"]);
    // What is not over by then, the series without an end last.
    let open = ", where: {state: {eq: SCHEDULED}, endsAt: {from: \"2026-03-10T00:00:00Z\"}},
        orderBy: {field: ENDS_AT}";
    assert_eq!(starts(&events(open).await), ["01", "03"]);
    let query = "{ events(where: {endsAt: {from: \"2026-03-10T00:00:00Z\"}}) { totalCount } }";
    let reply = app.reply(query, json!({})).await;
    assert_eq!(reply["errors"][0]["extensions"]["code"], "INVALID_FILTER", "{reply}");
    let message = reply["errors"][0]["message"].as_str().expect("words");
    assert!(message.contains("calendarId and state by endsAt"), "{message}");
    app.stop().await;
}
