//! The table of the kinds of aggregates: all that other rooms must know of each, in one place. A
//! room makes its own part from it by a macro of its own, so that a kind is known everywhere or
//! nowhere. It stands here because this is the lowest room that sees domain and sagas.
//!
//! A row says: the name of the kind (in upper snake case it is what operators call it) and its
//! aggregate; in `public` its id in the API with the prefix, and its node there; in `fact` the name
//! under which followers see its events. Both may be empty: nobody outside names it, nobody follows
//! it. The stored name and the state schema are constants of the aggregate, and
//! `tests/golden/events/<stored name>.json` is its golden file, and the same name under
//! `tests/golden/wire` that of its commands and refusals.

/// Gives the table to the macro `$then`.
#[macro_export]
macro_rules! kinds {
    ($then:ident) => {
        $then! {
            User = domain::access::user::User,
                public(PublicUserId "user_" UserNode), fact(User);
            EmailReservation = domain::access::email_reservation::EmailReservation,
                public(), fact();
            Administrators = domain::access::administrators::Administrators,
                public(), fact();
            Role = domain::access::role::Role,
                public(PublicRoleId "role_" RoleNode), fact(Role);
            Group = domain::access::group::Group,
                public(PublicGroupId "group_" GroupNode), fact(Group);
            Account = domain::access::account::Account,
                public(PublicAccountId "account_" AccountNode), fact(Account);
            Preferences = domain::access::preferences::Preferences,
                public(PublicPreferencesId "preferences_" PreferencesNode), fact();
            Denials = domain::access::denials::Denials,
                public(), fact();
            Person = domain::access::person::Person,
                public(), fact();
            Product = domain::products::product::Product,
                public(PublicProductId "product_" ProductNode), fact(Product);
            PriceList = domain::products::price_list::PriceList,
                public(PublicPriceListId "price_list_" PriceListNode), fact();
            StockItem = domain::products::stock_item::StockItem,
                public(PublicStockItemId "stock_" StockItemNode), fact(StockItem);
            Location = domain::products::location::Location,
                public(PublicLocationId "location_" LocationNode), fact(Location);
            Order = domain::commerce::order::Order,
                public(PublicOrderId "order_" OrderNode), fact(Order);
            Checkout = sagas::checkout::Checkout,
                public(PublicCheckoutId "checkout_" CheckoutNode), fact(Checkout);
            Transfer = sagas::transfer::Transfer,
                public(PublicTransferId "transfer_" TransferNode), fact(Transfer);
            InboxMessage = sagas::inbox::InboxMessage,
                public(), fact(InboxMessage);
            Job = sagas::job::Job,
                public(PublicJobId "job_" JobNode), fact(Job);
            Calendar = domain::scheduling::calendar::Calendar,
                public(PublicCalendarId "calendar_" CalendarNode), fact(Calendar);
            WebhookEndpoint = domain::messaging::webhook_endpoint::WebhookEndpoint,
                public(PublicWebhookEndpointId "webhook_" WebhookEndpointNode), fact(WebhookEndpoint);
        }
    };
}
