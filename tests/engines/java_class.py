r"""A class for the virtual machine, compiled (`javac -g:none --release 17`), since a JRE compiles none.

import com.sun.net.httpserver.*;
public class Serve implements HttpHandler {
  public void handle(HttpExchange e) throws java.io.IOException {
    byte[] b = "hello over HTTP\n".getBytes();
    e.sendResponseHeaders(200, b.length); e.getResponseBody().write(b); e.close();
  }
  public static void main(String[] a) throws Exception {
    System.out.println("hello from the JVM");
    if (a.length == 0) return;
    HttpServer s = HttpServer.create(new java.net.InetSocketAddress("127.0.0.1", 0), 0);
    s.createContext("/", new Serve()); s.start();
    byte[] got = new java.net.URL("http://127.0.0.1:" + s.getAddress().getPort()).openStream().readAllBytes();
    System.out.print(new String(got)); System.out.println(java.time.ZoneId.of(a[0])); s.stop(0);
    System.exit(0);
  }
}
"""

from __future__ import annotations

from base64 import b64decode
from io import BytesIO
from zipfile import ZipFile
from zlib import decompress

SERVE = decompress(b64decode("""
eNqNVftXG0UU/qYBNqzbAqEtbbWVFloTwC7go0pakWArwUSQUJBSH0sykIXNTtydUPBttb7f/uLxv8AfQk85h589/lEe72weUhppk7M7M7t3vnvvN9+9
+/c/93YBXMFvOg4hpKHJQDNaGNpXrXXLdCx3xZxaWuVZydBy2XZt+RJDKBqbCyNMRnnuOKJbrHOve2J2dlrXoeMxDYaBwzhyH0hGera7whBe4TKxKbnP
0BSNLSZ0tKNDQ8RAJ44y9GRFwfRLrulyaealLPrcI3RzgqZXN7J5guIMnT53czPcLwrX5xPcynGP8JqjycnYnAI8bqALJxjayFnNLCFymwwnorFUEJQt
zKmSLJYkBcatQlzHKTyu4QkDp3GG4WgjI3Jxy7MlV64WExVX3QbOKr6as47weSt60KvhvIELeOr+/Dd9yQkhJEpE5bF6ENNESy2GMGIMkQqny54odMs8
756cS+vox4CGpw1chEnZN9jLoBXVynEJPJraz3s8NqdhiOFU8EJxm6RbRmTXuBzL5Tzu+2E8w9A6NHzp4iD9h3QM4jmlhecZjjcATKr0X8CLGkYMxHGZ
4ewBR5cJpiShLAWrCExUIRuGQuCph4IRWyRFZmp4mdgPnukYRUhFNW7gFVxlOFxxNy5cyTeI9psNEjnI04Tl5hxydWA4VfS4cvyqgYlADb60PKlhksGo
53l9JqVsUgbSeJ1BX6knzHCmpsvGhKjTmDbwBmbooGnftPBkUIfJCFXvrIHrmGPoKlhrKtmsJedtmacZheFKX0kiGXswdR1JvKnO2FSzGwYWcZPiEkXu
1lTVtadeku7ecnkb72h414ClCr2zgQ2lTkNuzHGCeletIaucnVFy5gaWlZabA9XqyMPWsGpgDU6tbKRd4OYN4fJkjuGQWGa40EjYqf3GcYXvqloR+2qh
0sjiFeW+Z8CD6kK+FEXVjAJF96BkYD14zjdsOsENhnMPVwiZj4sc6bolHzxgiEZTj9DKKBYinFa8KG06Lg0f7yVzqv6GHBQs21W1uNiouknrGWll19JW
cdZacriGz2tAgeEeoPaEENKXnlVMc5kXOb+tBV/q+Apfa/hGKelbht7/dtruuljjVU8VcV2zslJ41E1/38tu1bACWuHF700JsVYqxhuU3f9snN0s8gbm
iw2O8UGIcctxMtSgqTd8rzopMT1imvWeNsJIk0nX5d64Y/k+J7p/Yjj/SClo+IWq9GBTOv6KMX0SRulzynCLqjNEI31S6b5Jqw4aGY3NfdtgW1A/hvfx
AZmr1zE00QbgdEQrozXd34G/BnbvlNHWX8axgTJO0vhkZduHdDXR5o/Qik/waRXgdhWg8CfORaJl9PXt/oGmrR0MLkSGQ9t4NnQXl1L9kSs7GF3YxlgZ
iXnCvLaD5AKNr5UxdQ8ZYBvzZSyU8VaagHagLwxsY6mMHK36QsN3sVJGoT9URpHw5FaQxWeVZI/UI7tNMX1B8zDN79D1HX6glU6zH/EzfsXJfwFMOU74
"""))  # fmt: skip


def serve_jar() -> bytes:
    """The class in an archive that `java -jar` starts."""
    target = BytesIO()
    with ZipFile(target, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\nMain-Class: Serve\n\n")
        archive.writestr("Serve.class", SERVE)
    return target.getvalue()
