# Reference values for tests/stats/test_colocation_reference.py, made with spatstat.
# Run from this folder: Rscript make_points.R   (spatstat.explore, spatstat.data, jsonlite)
# Tests read the JSON files; they need no R.
suppressMessages({
  library(spatstat.data); library(spatstat.geom); library(spatstat.random)
  library(spatstat.explore); library(jsonlite)
})

versions <- list(R = R.version.string,
                 spatstat.explore = as.character(packageVersion("spatstat.explore")),
                 spatstat.data = as.character(packageVersion("spatstat.data")))

rings <- function(W) {
  if (W$type == "rectangle")
    W <- as.polygonal(W)
  lapply(W$bdry, function(b) cbind(b$x, b$y))
}

# K by correction, evaluated at a few of spatstat's default-like fine breaks
kcurves <- function(X, a, b, r, corrections) {
  # Beyond the last radius, and with thin cells round the radii asked for: the border method
  # decides by cells of r which centres are far enough from the edge
  fine <- c(seq(0, 1.05 * max(r), length.out = 513), r + 1e-7 * max(r), (r - 1e-7 * max(r))[r > 0])
  # The radii asked for are breaks, so that nothing is interpolated. They avoid the distances of
  # the grids that lansing and betacells were recorded on, where rounding decides what is within r
  all_r <- sort(unique(c(fine, r)))
  out <- list()
  same <- identical(a, b)
  for (co in corrections) {
    K <- if (same) Kest(X[marks(X) == a], r = all_r, correction = co)
         else Kcross(X, a, b, r = all_r, correction = co)
    column <- c(none = "un", border = "border", translate = "trans", isotropic = "iso")[[co]]
    out[[co]] <- K[[column]][match(r, all_r)]
  }
  out
}

# Translation weights of polygons are looked up in an image by Kcross; these are exact
exact_translate <- function(X, a, b, r) {
  XI <- X[marks(X) == a]; XJ <- X[marks(X) == b]
  if (identical(a, b)) cl <- closepairs(XI, max(r))
  else cl <- crosspairs(XI, XJ, max(r))
  w <- edge.Trans(W = Window(X), dx = cl$dx, dy = cl$dy, paired = TRUE, exact = TRUE)
  pairs <- if (identical(a, b)) npoints(XI) * (npoints(XI) - 1) else npoints(XI) * npoints(XJ)
  sapply(r, function(x) sum(w[cl$d <= x])) * area(Window(X)) / pairs
}

# The kernel sum of pcfcross without its binning: exact at each r
pcf_sum <- function(X, a, b, r, h, correction, divisor) {
  XI <- X[marks(X) == a]; XJ <- X[marks(X) == b]
  cl <- crosspairs(XI, XJ, max(r) + h)
  w <- if (correction == "translate")
         edge.Trans(W = Window(X), dx = cl$dx, dy = cl$dy, paired = TRUE)
       else edge.Ripley(XI[cl$i], matrix(cl$d, ncol = 1))
  w <- as.vector(w)
  sapply(r, function(x) {
    u <- (x - cl$d) / h
    k <- ifelse(abs(u) < 1, 0.75 * (1 - u^2) / h, 0)
    sum(k * w / (if (divisor == "r") x else cl$d)) * area(Window(X)) /
      (2 * pi * npoints(XI) * npoints(XJ))
  })
}

one <- function(name, X, pairs, r, corrections, polygon = FALSE, pcf = TRUE) {
  out <- list(name = name, x = X$x, y = X$y, marks = as.character(marks(X)),
              window = rings(Window(X)), radii = r, pairs = list())
  for (p in pairs) {
    a <- p[1]; b <- p[2]
    item <- list(a = a, b = b, K = kcurves(X, a, b, r, corrections))
    if (polygon) {
      # exact overlaps cost about 10 ms a pair of points: short radii only
      item$exact_radii <- r[r <= 2.03]
      item$K_translate_exact <- exact_translate(X, a, b, r[r <= 2.03])
    }
    if (pcf && a != b) {
      h <- 0.15 / sqrt(sum(marks(X) == b) / area(Window(X)))
      item$pcf_bandwidth <- h
      rr <- r[r > 0]
      item$pcf_radii <- rr
      if (!polygon)
        item$pcf_sum <- list(translate = pcf_sum(X, a, b, rr, h, "translate", "r"),
                             isotropic = pcf_sum(X, a, b, rr, h, "isotropic", "r"),
                             divisor_d = pcf_sum(X, a, b, rr, h, "translate", "d"))
      g <- pcfcross(X, a, b, r = seq(0, max(r), length.out = 513), correction = "isotropic")
      item$pcfcross_isotropic <- approx(g$r, g$iso, rr)$y
    }
    out$pairs[[length(out$pairs) + 1]] <- item
  }
  U <- unmark(X)
  ce <- if (polygon) clarkevans(U, correction = c("none", "cdf"))
        else clarkevans(U, correction = c("none", "Donnelly", "cdf"))
  out$clarkevans <- as.list(ce)
  G <- Gest(U, correction = "km")
  t <- clarkevans.test(U, correction = "none", method = "asymptotic")
  out$clarkevans_p <- t$p.value
  # Kaplan-Meier mean without spatstat's grid of distances
  d <- nndist(U); b <- bdist.points(U)
  o <- pmin(d, b); e <- d <= b
  times <- sort(unique(o)); s <- 1; m <- 0; mass <- 0
  for (t in times) {
    s2 <- s * (1 - sum(o == t & e) / sum(o >= t))
    m <- m + t * (s - s2); mass <- mass + s - s2; s <- s2
  }
  out$kaplan_meier_mean <- m / mass
  write_json(c(list(versions = versions), out), paste0(name, ".json"), digits = 17,
             auto_unbox = TRUE)
}

every <- c("none", "border", "translate", "isotropic")
one("amacrine", amacrine, list(c("on", "off"), c("off", "on"), c("on", "on")),
    c(0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25), every)
bc <- betacells; marks(bc) <- marks(betacells)$type
one("betacells", bc, list(c("on", "off"), c("off", "off")),
    c(0, 20.37, 50.21, 80.43, 110.29, 150.31, 180.77), every)
set.seed(7)
L <- lansing[marks(lansing) %in% c("hickory", "maple", "whiteoak")]
L <- L[sort(sample(npoints(L), 600))]
marks(L) <- factor(as.character(marks(L)))
one("lansing", L, list(c("hickory", "maple"), c("maple", "whiteoak")),
    c(0, 0.01037, 0.03023, 0.06041, 0.10079, 0.20033), every)
Uk <- urkiola
one("urkiola", Uk, list(c("oak", "birch"), c("oak", "oak")),
    c(0, 2.03, 5.07, 10.03, 20.09, 30.03), every, polygon = TRUE)
