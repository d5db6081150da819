//! What the demo shop sells: names, sizes and prices. Data only.

/// A product of the demo shop.
pub struct Good {
    pub family: &'static str,
    pub name: &'static str,
    pub description: &'static str,
    /// Of the net price.
    pub tax_millionths: u32,
    pub variants: &'static [Variant],
}

/// Something of it that can be had. Prices are net, in major units; [`RETAIL`] has gross ones.
pub struct Variant {
    pub sku: &'static str,
    pub name: &'static str,
    pub eur: &'static str,
    pub usd: &'static str,
    /// Units in each of [`LOCATIONS`].
    pub stock: [i64; 2],
}

/// What some of it costs with tax inside, in euros.
pub const RETAIL: [(&str, &str); 5] = [
    ("ESP-250", "7.50"),
    ("MUG-BLU", "10.00"),
    ("NOT-A5-L", "15.00"),
    ("NOT-A5-D", "15.00"),
    ("PEN-F", "65.00"),
];

/// The places that keep stock: name, kind, address.
pub const LOCATIONS: [(&str, &str, &str); 2] = [
    ("Warehouse Berlin", "WAREHOUSE", "Westhafenstr. 1\n13353 Berlin"),
    ("Store Hamburg", "SHOP", "Neuer Wall 10\n20354 Hamburg"),
];

const STANDARD: u32 = 190_000;
const REDUCED: u32 = 70_000;
const NONE: u32 = 0;

const fn good(
    family: &'static str,
    name: &'static str,
    description: &'static str,
    tax_millionths: u32,
    variants: &'static [Variant],
) -> Good {
    Good { family, name, description, tax_millionths, variants }
}

const fn v(
    sku: &'static str,
    name: &'static str,
    eur: &'static str,
    usd: &'static str,
    stock: [i64; 2],
) -> Variant {
    Variant { sku, name, eur, usd, stock }
}

#[rustfmt::skip]
pub const GOODS: [Good; 45] = [
    good("Coffee and tea", "Espresso beans", "Dark roast, whole beans.", REDUCED, &[
        v("ESP-250", "250 g", "6.90", "7.90", [400, 60]),
        v("ESP-1000", "1 kg", "23.50", "26.50", [180, 20]),
    ]),
    good("Coffee and tea", "Filter coffee", "Light roast, ground for filters.", REDUCED, &[
        v("FIL-500", "500 g", "9.80", "10.90", [260, 40]),
    ]),
    good("Coffee and tea", "Decaffeinated coffee", "Medium roast, whole beans.", REDUCED, &[
        v("DEC-250", "250 g", "7.40", "8.40", [120, 15]),
    ]),
    good("Coffee and tea", "Assam black tea", "Loose leaf, strong.", REDUCED, &[
        v("ASS-100", "100 g", "5.20", "5.90", [150, 30]),
        v("ASS-250", "250 g", "11.90", "13.40", [90, 12]),
    ]),
    good("Coffee and tea", "Sencha green tea", "Loose leaf, steamed.", REDUCED, &[
        v("SEN-100", "100 g", "8.60", "9.60", [80, 10]),
    ]),
    good("Coffee and tea", "Peppermint tea", "Cut leaves, no caffeine.", REDUCED, &[
        v("PEP-75", "75 g", "3.90", "4.40", [200, 45]),
    ]),
    good("Coffee and tea", "Drinking chocolate", "70 % cocoa, flakes.", REDUCED, &[
        v("CHO-300", "300 g", "8.20", "9.20", [110, 18]),
    ]),
    good("Kitchen", "Moka pot", "Aluminium, for gas and electric stoves.", STANDARD, &[
        v("MOK-3", "3 cups", "19.33", "21.90", [75, 9]),
        v("MOK-6", "6 cups", "24.37", "27.90", [60, 7]),
    ]),
    good("Kitchen", "French press", "Glass with a steel frame.", STANDARD, &[
        v("FRE-350", "0.35 l", "16.81", "18.90", [50, 8]),
        v("FRE-1000", "1 l", "25.21", "28.50", [45, 6]),
    ]),
    good("Kitchen", "Hand grinder", "Steel burrs, adjustable.", STANDARD, &[
        v("GRI-1", "one size", "49.58", "55.00", [40, 5]),
    ]),
    good("Kitchen", "Gooseneck kettle", "1 litre, for stoves.", STANDARD, &[
        v("KET-BLK", "black", "42.02", "47.00", [30, 4]),
        v("KET-STL", "steel", "39.50", "44.00", [35, 4]),
    ]),
    good("Kitchen", "Coffee mug", "Stoneware, 0.3 l.", STANDARD, &[
        v("MUG-WHT", "white", "8.40", "9.50", [300, 50]),
        v("MUG-BLU", "blue", "8.40", "9.50", [220, 40]),
        v("MUG-GRN", "green", "8.40", "9.50", [180, 0]),
    ]),
    good("Kitchen", "Tea pot", "Porcelain with a sieve, 1.2 l.", STANDARD, &[
        v("POT-12", "one size", "33.61", "37.50", [28, 3]),
    ]),
    good("Kitchen", "Chef's knife", "20 cm blade, stainless.", STANDARD, &[
        v("KNI-20", "20 cm", "67.23", "75.00", [25, 4]),
    ]),
    good("Kitchen", "Cutting board", "Oiled oak.", STANDARD, &[
        v("BOA-S", "small", "18.49", "20.50", [60, 10]),
        v("BOA-L", "large", "31.93", "35.50", [35, 6]),
    ]),
    good("Kitchen", "Cast iron pan", "28 cm, seasoned.", STANDARD, &[
        v("PAN-28", "28 cm", "46.22", "51.50", [32, 5]),
    ]),
    good("Kitchen", "Kitchen scale", "To 5 kg, in steps of 1 g.", STANDARD, &[
        v("SCA-5", "one size", "25.13", "28.00", [48, 9]),
    ]),
    good("Desk", "Notebook", "160 pages, thread-bound.", STANDARD, &[
        v("NOT-A5-L", "A5 lined", "10.08", "11.50", [500, 80]),
        v("NOT-A5-D", "A5 dotted", "10.08", "11.50", [420, 70]),
        v("NOT-A4-P", "A4 plain", "13.45", "15.00", [200, 30]),
    ]),
    good("Desk", "Fountain pen", "Steel nib, piston filler.", STANDARD, &[
        v("PEN-F", "fine", "54.62", "61.00", [40, 6]),
        v("PEN-M", "medium", "54.62", "61.00", [45, 6]),
    ]),
    good("Desk", "Ink", "Permanent, 50 ml.", STANDARD, &[
        v("INK-BLK", "black", "8.32", "9.30", [140, 20]),
        v("INK-BLU", "blue", "8.32", "9.30", [130, 20]),
    ]),
    good("Desk", "Pencils", "Box of twelve, graphite.", STANDARD, &[
        v("PCL-HB", "HB", "11.68", "13.00", [160, 25]),
        v("PCL-2B", "2B", "11.68", "13.00", [120, 18]),
    ]),
    good("Desk", "Desk lamp", "LED, adjustable arm.", STANDARD, &[
        v("LAM-BLK", "black", "75.63", "84.00", [22, 3]),
        v("LAM-WHT", "white", "75.63", "84.00", [18, 3]),
    ]),
    good("Desk", "Desk organiser", "Beech, five compartments.", STANDARD, &[
        v("ORG-5", "one size", "28.57", "32.00", [55, 8]),
    ]),
    good("Desk", "Monitor stand", "Steel, 12 cm high.", STANDARD, &[
        v("STA-12", "one size", "37.82", "42.00", [40, 4]),
    ]),
    good("Desk", "Paper shears", "21 cm, for both hands.", STANDARD, &[
        v("SHE-21", "21 cm", "14.29", "16.00", [70, 12]),
    ]),
    good("Outdoors", "Day pack", "20 litres, roll top.", STANDARD, &[
        v("PAC-GRN", "green", "71.43", "79.00", [34, 5]),
        v("PAC-GRY", "grey", "71.43", "79.00", [30, 5]),
    ]),
    good("Outdoors", "Water bottle", "Steel, 0.75 l.", STANDARD, &[
        v("BOT-75", "0.75 l", "21.01", "23.50", [190, 30]),
    ]),
    good("Outdoors", "Vacuum flask", "Keeps warm for 12 hours.", STANDARD, &[
        v("FLA-50", "0.5 l", "25.21", "28.00", [85, 12]),
        v("FLA-100", "1 l", "33.61", "37.50", [60, 8]),
    ]),
    good("Outdoors", "Head lamp", "300 lumen, rechargeable.", STANDARD, &[
        v("HEA-300", "one size", "41.93", "46.50", [52, 7]),
    ]),
    good("Outdoors", "Pocket knife", "Five tools.", STANDARD, &[
        v("POK-5", "one size", "29.41", "33.00", [65, 10]),
    ]),
    good("Outdoors", "Wool blanket", "150 × 200 cm.", STANDARD, &[
        v("BLA-GRY", "grey", "58.82", "65.50", [26, 4]),
        v("BLA-RED", "red", "58.82", "65.50", [24, 4]),
    ]),
    good("Outdoors", "Camping stove", "Gas, 220 g.", STANDARD, &[
        v("STO-1", "one size", "50.42", "56.00", [20, 2]),
    ]),
    good("Outdoors", "Dry bag", "Welded, roll closure.", STANDARD, &[
        v("DRY-10", "10 l", "15.97", "17.90", [100, 15]),
        v("DRY-30", "30 l", "24.37", "27.00", [70, 9]),
    ]),
    good("Garden", "Hand trowel", "Stainless, ash handle.", STANDARD, &[
        v("TRO-1", "one size", "16.81", "18.90", [80, 14]),
    ]),
    good("Garden", "Pruning shears", "Bypass, to 20 mm.", STANDARD, &[
        v("PRU-20", "one size", "35.29", "39.50", [44, 6]),
    ]),
    good("Garden", "Watering can", "Galvanised.", STANDARD, &[
        v("CAN-5", "5 l", "26.89", "30.00", [38, 5]),
        v("CAN-10", "10 l", "34.45", "38.50", [27, 3]),
    ]),
    good("Garden", "Tomato seeds", "Three old varieties.", REDUCED, &[
        v("SEE-TOM", "one packet", "3.27", "3.70", [350, 60]),
    ]),
    good("Garden", "Flower meadow seeds", "Annual, for 10 m².", REDUCED, &[
        v("SEE-FLO", "one packet", "5.14", "5.80", [240, 40]),
    ]),
    good("Garden", "Plant pot", "Terracotta with a saucer.", STANDARD, &[
        v("PLA-14", "14 cm", "5.88", "6.60", [150, 30]),
        v("PLA-24", "24 cm", "13.45", "15.00", [90, 16]),
    ]),
    good("Garden", "Garden twine", "Jute, 100 m.", STANDARD, &[
        v("TWI-100", "one roll", "4.96", "5.60", [170, 28]),
    ]),
    good("To try things out", "A payment that is declined", "The test provider declines it.", NONE, &[
        v("TRY-02", "one", "10.02", "10.02", [1_000, 0]),
    ]),
    good("To try things out", "A payment answered late", "It stands, but the first answer is lost.", NONE, &[
        v("TRY-03", "one", "10.03", "10.03", [1_000, 0]),
    ]),
    good("To try things out", "A payment that gets lost", "The first request never arrives.", NONE, &[
        v("TRY-04", "one", "10.04", "10.04", [1_000, 0]),
    ]),
    good("To try things out", "A payment answered twice", "The provider says yes two times.", NONE, &[
        v("TRY-05", "one", "10.05", "10.05", [1_000, 0]),
    ]),
    good("To try things out", "A payment that hangs", "The first request is never answered.", NONE, &[
        v("TRY-06", "one", "10.06", "10.06", [1_000, 0]),
    ]),
];
