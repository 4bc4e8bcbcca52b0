"""Names of columns as people write them: by language and role, in several dresses."""

import random

NAMES = {
    "en": {
        "user": ["user_id", "userId", "customer_id", "CustomerID", "customer no", "client_id", "member id",
            "reviewerID", "uid", "user", "visitor_id", "subscriber_id", "reader_id", "UserID", "listener", "buyer_id",
            "account_id"],
        "item": ["item_id", "itemId", "product_id", "ProductID", "sku", "movie_id", "book_id", "asin", "article_id",
            "StockCode", "song_id", "game_id", "isbn", "product code", "item", "recipe_id", "course_id"],
        "rating": ["rating", "Rating", "stars", "score", "overall", "user_rating", "review_score", "ratings", "rate",
            "star_rating", "Rating Score", "ratingValue"],
        "approval": ["liked", "recommended", "thumbs_up", "like", "rating", "feedback"],
        "time": ["timestamp", "date", "created_at", "time", "datetime", "unixReviewTime", "order_date", "event_time",
            "InvoiceDate", "rated_at", "review_date", "purchase date", "ts", "createdAt"],
        "row": ["id", "row", "row_id", "no", "line_no", "index", "record_id", ""],
        "order": ["order_id", "order number", "InvoiceNo", "transaction_id", "receipt_no", "basket_id", "OrderID"],
        "price": ["price", "unit_price", "UnitPrice", "amount", "total", "list price"],
        "quantity": ["quantity", "qty", "Quantity", "units"],
        "country": ["country", "region", "state", "Country"],
        "text": ["review", "comment", "review_text", "reviewText", "body"],
        "flag": ["verified", "is_gift", "newsletter", "returning_customer"],
        "event": ["event", "event_type", "action", "event_name"],
        "title": ["product_name", "title", "name", "description", "item name"],
        "category": ["category", "genre", "department", "brand"],
        "stock": ["stock", "in_stock", "inventory"],
        "payment": ["payment", "payment_method", "card type"],
        "age": ["age", "customer_age"],
        "gender": ["gender", "sex"],
        "mean": ["average_rating", "avg_rating", "mean_score"],
        "votes": ["helpful_votes", "votes", "review_count"],
        "joined": ["signup_date", "member since", "registered_at"],
        "released": ["release_date", "published"],
        "discount": ["discount", "discount_pct"],
    },
    "de": {
        "user": ["Kunde", "Kundennummer", "kunden_id", "KundenNr", "Kunden-Nr.", "Benutzer", "Nutzer", "nutzer_id",
            "Mitglied", "Käufer", "Kd-Nr", "BenutzerID", "Kundin", "Leser"],
        "item": ["Artikel", "Artikelnummer", "artikel_id", "ArtikelNr", "Art.-Nr.", "Produkt", "Produktnummer",
            "Buch", "ProduktID", "produkt_nr", "Film", "Ware", "Artikel-Code"],
        "rating": ["Bewertung", "Sterne", "Punkte", "bewertung", "Wertung", "Sternebewertung", "Kundenbewertung",
            "Punktzahl"],
        "approval": ["Gefällt", "empfohlen", "Bewertung", "gekauft"],
        "time": ["Datum", "Zeitpunkt", "Zeitstempel", "Bestelldatum", "Kaufdatum", "datum", "Uhrzeit",
            "Bewertungsdatum", "erstellt_am", "Zeit", "Rechnungsdatum"],
        "row": ["Nr", "lfd_nr", "Zeile", "lfd. Nr.", "ID", "Index"],
        "order": ["Bestellnummer", "Bestellnr", "Rechnungsnummer", "Belegnummer", "Auftrag", "Bon", "Auftragsnr."],
        "price": ["Preis", "Einzelpreis", "Betrag", "VK-Preis", "Umsatz", "Gesamtpreis"],
        "quantity": ["Menge", "Anzahl", "Stück", "Stueckzahl"],
        "country": ["Land", "Bundesland", "Region"],
        "text": ["Kommentar", "Rezension", "Bewertungstext", "Bemerkung"],
        "flag": ["verifiziert", "Geschenk", "Neukunde"],
        "event": ["Ereignis", "Aktion", "Vorgangsart"],
        "title": ["Bezeichnung", "Artikelbezeichnung", "Titel", "Produktname", "Artikelname"],
        "category": ["Kategorie", "Warengruppe", "Marke", "Hersteller"],
        "stock": ["Bestand", "Lagerbestand"],
        "payment": ["Zahlungsart", "Zahlart"],
        "age": ["Alter"],
        "gender": ["Geschlecht", "Anrede"],
        "mean": ["Durchschnittsbewertung", "Schnitt"],
        "votes": ["Anzahl Bewertungen", "Hilfreich"],
        "joined": ["Kunde seit", "Registrierungsdatum"],
        "released": ["Erscheinungsdatum"],
        "discount": ["Rabatt", "Rabatt %"],
    },
    "fr": {
        "user": ["client", "id_client", "utilisateur", "numero_client", "N° client", "code_client", "id_utilisateur",
            "acheteur", "membre", "Client", "identifiant_client", "lecteur"],
        "item": ["produit", "id_produit", "article", "code_article", "référence", "ref_produit", "livre",
            "id_article", "Produit", "film", "code produit", "Réf. article"],
        "rating": ["note", "évaluation", "étoiles", "notation", "Note", "note_client", "score"],
        "approval": ["aimé", "recommandé", "avis_positif", "note"],
        "time": ["date", "horodatage", "date_achat", "date_commande", "Date", "heure", "date de commande", "créé_le",
            "jour", "date_avis"],
        "row": ["no", "ligne", "n°", "id", "index"],
        "order": ["commande", "numero_commande", "N° commande", "facture", "num_facture", "ticket", "panier"],
        "price": ["prix", "prix_unitaire", "montant", "Prix TTC", "total"],
        "quantity": ["quantité", "qte", "Quantité"],
        "country": ["pays", "région", "ville"],
        "text": ["commentaire", "avis", "remarque"],
        "flag": ["vérifié", "cadeau", "nouveau_client"],
        "event": ["événement", "action", "type_evenement"],
        "title": ["libellé", "désignation", "titre", "nom_produit", "nom"],
        "category": ["catégorie", "rayon", "marque", "genre"],
        "stock": ["stock", "en_stock"],
        "payment": ["paiement", "mode_paiement"],
        "age": ["âge", "age"],
        "gender": ["sexe", "civilité"],
        "mean": ["note_moyenne", "moyenne"],
        "votes": ["votes_utiles", "nb_avis"],
        "joined": ["date_inscription", "client depuis"],
        "released": ["date_sortie"],
        "discount": ["remise", "remise_%"],
    },
    "es": {
        "user": ["usuario", "id_usuario", "cliente", "id_cliente", "cliente_id", "comprador", "código_cliente",
            "Cliente", "nº cliente", "lector"],
        "item": ["producto", "id_producto", "artículo", "codigo_producto", "libro", "película", "id_articulo",
            "Producto", "referencia", "juego"],
        "rating": ["calificación", "puntuación", "valoración", "estrellas", "Calificacion", "nota", "puntuacion"],
        "approval": ["me gusta", "recomendado", "valoración"],
        "time": ["fecha", "fecha_compra", "hora", "fecha_pedido", "Fecha", "fecha de compra", "creado_en",
            "fecha_hora"],
        "row": ["no", "fila", "id", "nº"],
        "order": ["pedido", "numero_pedido", "factura", "id_pedido", "nº factura", "ticket"],
        "price": ["precio", "precio_unitario", "importe", "Precio"],
        "quantity": ["cantidad", "unidades"],
        "country": ["país", "provincia", "ciudad"],
        "text": ["comentario", "reseña", "opinión"],
        "flag": ["verificado", "regalo"],
        "event": ["evento", "acción"],
        "title": ["nombre_producto", "descripción", "título", "nombre"],
        "category": ["categoría", "género", "marca"],
        "stock": ["existencias", "stock"],
        "payment": ["forma_pago", "pago"],
        "age": ["edad"],
        "gender": ["sexo", "género_cliente"],
        "mean": ["valoración_media", "nota_media"],
        "votes": ["votos_útiles", "nº opiniones"],
        "joined": ["fecha_alta", "fecha_registro"],
        "released": ["fecha_estreno"],
        "discount": ["descuento"],
    },
    "ja": {
        "user": ["ユーザーID", "顧客ID", "会員番号", "顧客番号"],
        "item": ["商品ID", "商品コード", "商品番号", "商品"],
        "rating": ["評価", "点数", "評価点"],
        "approval": ["評価"],
        "time": ["日付", "日時", "購入日時", "注文日"],
        "row": ["番号", "行番号"],
        "order": ["注文番号", "伝票番号"],
        "price": ["価格", "単価", "金額"],
        "quantity": ["数量", "個数"],
        "country": ["国", "都道府県"],
        "text": ["レビュー", "コメント"],
        "flag": ["確認済み"],
        "event": ["イベント", "行動"],
        "title": ["商品名"],
        "category": ["カテゴリ", "ブランド"],
        "stock": ["在庫"],
        "payment": ["支払方法"],
        "age": ["年齢"],
        "gender": ["性別"],
        "mean": ["平均評価"],
        "votes": ["レビュー数"],
        "joined": ["登録日"],
        "released": ["発売日"],
        "discount": ["割引"],
    },
    "zh": {
        "user": ["用户ID", "用户编号", "客户编号", "会员号"],
        "item": ["商品ID", "商品编号", "产品编号", "电影ID"],
        "rating": ["评分", "打分", "评价分数"],
        "approval": ["评分"],
        "time": ["时间", "日期", "下单时间", "购买日期"],
        "row": ["编号", "序号"],
        "order": ["订单号", "订单编号"],
        "price": ["价格", "单价", "金额"],
        "quantity": ["数量", "购买数量"],
        "country": ["国家", "省份"],
        "text": ["评论", "评论内容"],
        "flag": ["是否会员"],
        "event": ["行为", "行为类型"],
        "title": ["商品名称"],
        "category": ["类别", "品牌"],
        "stock": ["库存"],
        "payment": ["支付方式"],
        "age": ["年龄"],
        "gender": ["性别"],
        "mean": ["平均评分"],
        "votes": ["评论数"],
        "joined": ["注册时间"],
        "released": ["上映日期"],
        "discount": ["折扣"],
    },
}  # fmt: skip
"""Names by language and role; "" is what a data frame's index is called when it is written without a name."""

MORE_NAMES = {
    "en": {
        "user": ["shopper_id", "patron", "cust_id", "CustID", "customerNumber", "user_name", "username", "userID",
            "u_id", "who", "person_id", "player_id", "profile_id", "consumer", "cookie_id", "device_user",
            "author_id", "rater", "reviewer_id", "member_number", "Client No."],
        "item": ["itemID", "i_id", "prod_id", "productId", "ProductCode", "Product", "movieId", "movieID",
            "track_id", "show_id", "hotel_id", "venue_id", "restaurant", "business_id", "parent_asin",
            "product_sku", "SKU", "Item Number", "title_id", "beer_beerid", "object_id", "content_id", "post_id",
            "photo_id", "article", "upc"],
        "rating": ["Score", "user_score", "star rating", "review_overall", "RATING", "stars_given", "Rating (1-5)",
            "mark", "Book-Rating", "preference", "rating_value", "reviews.rating"],
        "approval": ["is_liked", "would_recommend", "recommend", "is_recommended", "thumb", "Liked?"],
        "time": ["Time", "order_timestamp", "reviewTime", "submitted_at", "purchased_at", "date_time", "added_at",
            "rating_timestamp", "rating_time", "local_time", "Order Date", "visit_date", "played_at",
            "timestamp_utc", "unix_time", "Transaction Date", "date_rated"],
    },
    "de": {
        "user": ["KundeID", "Kunden-ID", "Kundennr", "KdNr", "Käufer-ID", "Nutzername", "Mitgliedsnummer",
            "Besucher", "Teilnehmer", "Versicherter", "Kontonummer", "Nutzer-ID", "Auftraggeber", "Kundennr."],
        "item": ["Artikel-ID", "ArtNr", "Art-Nr", "Artikel Nr.", "Produkt-ID", "Titel-ID", "Buchnummer", "Ware-Nr",
            "Produktcode", "Sachnummer", "Medium", "Spiel", "ArtikelNummer", "Produktnr"],
        "rating": ["Note (1-10)", "Zufriedenheit", "Punktebewertung", "Sterne (1-5)", "BEWERTUNG", "Rating",
            "Produktbewertung", "Gesamtbewertung", "Sternzahl"],
        "approval": ["Like", "weiterempfohlen", "gemocht", "Empfehlung"],
        "time": ["Kaufzeitpunkt", "Bestellzeitpunkt", "angelegt am", "Erstelldatum", "Buchungsdatum",
            "Verkaufsdatum", "Tag", "Zeit der Bestellung", "Datum/Uhrzeit", "bewertet_am", "Lieferdatum",
            "Belegdatum"],
    },
    "fr": {
        "user": ["id_membre", "num_client", "client_id", "utilisateur_id", "id_acheteur", "abonné", "adhérent",
            "code_adherent", "pseudo", "visiteur", "NumClient", "no_client"],
        "item": ["article_id", "produit_id", "num_produit", "id_livre", "id_film", "titre_id", "code_barres", "ref",
            "Référence produit", "RefArticle", "id_article", "oeuvre", "jeu"],
        "rating": ["Note (sur 10)", "nb_etoiles", "appréciation", "satisfaction", "note_produit", "evaluation",
            "score_client"],
        "approval": ["aime", "recommande", "j'aime"],
        "time": ["date_heure", "date_vente", "date_facture", "date_evaluation", "date_visite", "moment", "cree_le",
            "date_creation", "Date de la commande", "Date achat", "horaire"],
    },
    "es": {
        "user": ["id_usuario", "nombre_usuario", "num_cliente", "socio", "miembro_id", "visitante", "id_comprador",
            "codigo_cliente", "NroCliente", "suscriptor"],
        "item": ["id_prod", "cod_producto", "id_libro", "id_pelicula", "articulo_id", "nro_articulo", "Código",
            "obra", "sku_producto", "codigo_articulo"],
        "rating": ["Puntaje", "estrellas_dadas", "valor", "calificacion_cliente", "nota_producto", "evaluación"],
        "approval": ["gusta", "recomienda", "megusta"],
        "time": ["fecha_valoracion", "fecha_creacion", "marca_tiempo", "fecha_venta", "FechaPedido", "fecha_visita",
            "momento", "dia"],
    },
    "ja": {
        "user": ["利用者ID", "購入者", "お客様番号"],
        "item": ["品番", "作品ID", "映画ID"],
        "rating": ["スコア", "星の数", "満足度"],
        "time": ["時刻", "購入日", "登録日時"],
    },
    "zh": {
        "user": ["用户名", "客户ID", "会员ID"],
        "item": ["电影编号", "商品号", "书籍ID"],
        "rating": ["得分", "星级", "满意度"],
        "time": ["评论时间", "创建时间", "交易日期"],
    },
}  # fmt: skip
"""Other names of the four roles, which a part of the tables alone has."""

_LANGUAGES = ("en", "de", "fr", "es", "ja", "zh")
_WEIGHTS = (34, 22, 18, 14, 6, 6)
_PREFIXES = ("f_", "t.", "dim_", "r.", "src_")
_TYPES = {"user": ":token", "item": ":token", "rating": ":float", "time": ":float"}


def language(draw: random.Random) -> str:
    return draw.choices(_LANGUAGES, _WEIGHTS)[0]


def style(draw: random.Random) -> str:
    """Return how all names of a table are written; a prefix stands for itself."""
    found = draw.choices(("as is", "snake", "camel", "upper", "spaced", "prefixed", "typed"), (60, 8, 8, 8, 6, 6, 2))[0]
    return draw.choice(_PREFIXES) if found == "prefixed" else found


def named(draw: random.Random, tongue: str, role: str, dress: str, *, others: bool = False) -> str:
    """Return a name of a role in a language, in one of the dresses of :func:`style`; perhaps one of the others."""
    known = NAMES[tongue][role]
    return dressed(draw.choice(MORE_NAMES[tongue].get(role, known) if others else known), role, dress)


def dressed(name: str, role: str, dress: str) -> str:
    words = name.replace("_", " ").replace("-", " ").split()
    if dress == "snake":
        return "_".join(words).lower()
    if dress == "camel":
        return "".join(word if at == 0 else word[:1].upper() + word[1:] for at, word in enumerate(words))
    if dress == "upper":
        return name.upper()
    if dress == "spaced":
        return " ".join(words)
    if dress in _PREFIXES and name:
        return dress + name
    return name + _TYPES.get(role, "") if dress == "typed" and name else name
