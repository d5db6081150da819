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
