"""Public files a real study needs: fetched with resume and checks, or checked where they already lie."""
